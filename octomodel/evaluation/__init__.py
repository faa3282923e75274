"""The study of `octopus` and its rivals: what is swept, and the page that is made of it."""
