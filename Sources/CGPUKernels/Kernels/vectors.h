// Values that have nothing to do with their neighbours, 16 bytes of them a thread.

/// The vector that this thread works on, and how many of its values exist.
INLINE long own_vector(long count, int *length) {
  long vector = BLOCK * THREADS + THREAD;
  long rest = count - vector * LANES;
  *length = rest < 0 ? 0 : rest > LANES ? LANES : (int)rest;
  return vector;
}

INLINE void store_vector(GLOBAL uint4 *target, long vector, int length, const REAL *values) {
  if (length == LANES) {
    target[vector] = pack(values);
    return;
  }
  GLOBAL VALUE *single = (GLOBAL VALUE *)target + vector * LANES;
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    if (k < length) single[k] = value_of(values[k]);
  }
}
