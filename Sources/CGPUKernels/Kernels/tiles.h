// A block's tile of a product of matrices, for types of at most float32: panels of both factors come to shared memory, a
// depth of the inner axis at a time.

/// How many places of the inner axis are in shared memory at a time. So many products are added in float32, and these
/// sums in wide.
#define DEPTH 16
/// How far apart these are there, so that neighbouring threads' writes do not meet.
#define PITCH (MATRIX_TILE + 1)
/// Rows and columns that a thread computes, each so far apart that neighbouring threads have neighbouring ones.
#define SHARE (MATRIX_TILE / MATRIX_SIDE)

/// Where the panels are in shared memory.
#define FIRST_PANEL ((LOCAL float *)SHARED_MEMORY)
#define SECOND_PANEL (FIRST_PANEL + DEPTH * PITCH)

INLINE void clear_tile(wide sums[SHARE][SHARE]) {
#pragma unroll
  for (int i = 0; i < SHARE; i++) {
#pragma unroll
    for (int j = 0; j < SHARE; j++) sums[i][j] = wide_of(0);
  }
}

/// Adds the product of two panels to a thread's share of the tile.
INLINE void add_panels(LOCAL const float *a, LOCAL const float *b, wide sums[SHARE][SHARE]) {
  int ownRow = THREAD / MATRIX_SIDE, ownColumn = THREAD % MATRIX_SIDE;
  float run[SHARE][SHARE];
#pragma unroll
  for (int i = 0; i < SHARE; i++) {
#pragma unroll
    for (int j = 0; j < SHARE; j++) run[i][j] = 0;
  }
  for (int k = 0; k < DEPTH; k++) {
    float left[SHARE], right[SHARE];
#pragma unroll
    for (int i = 0; i < SHARE; i++) {
      left[i] = a[k * PITCH + ownRow + i * MATRIX_SIDE];
      right[i] = b[k * PITCH + ownColumn + i * MATRIX_SIDE];
    }
#pragma unroll
    for (int i = 0; i < SHARE; i++) {
#pragma unroll
      for (int j = 0; j < SHARE; j++) run[i][j] = fma(left[i], right[j], run[i][j]);
    }
  }
#pragma unroll
  for (int i = 0; i < SHARE; i++) {
#pragma unroll
    for (int j = 0; j < SHARE; j++) sums[i][j] = wide_add(sums[i][j], wide_of(run[i][j]));
  }
}
