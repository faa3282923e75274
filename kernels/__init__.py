"""Pure functions of arrays that advance the simulation; they know NumPy and Numba only."""
