// Products of matrices: target = alpha first second + beta target.

CALLED void set_product(GLOBAL void *target, PASSED(MatrixKernelCall) call, long index, wide sum) {
  sum = wide_multiply(wide_of_argument(call.alpha), sum);
  wide beta = wide_of_argument(call.beta);
  if (!wide_is_zero(beta)) sum = wide_add(sum, wide_multiply(beta, wide_at(target, call.target.type, index)));
  set_bits(target, call.target.type, index, bits_of_wide(sum, 0));
}

INLINE long target_index(PASSED(MatrixKernelCall) call, long batch, long row, long column) {
  return call.target.offset + batch * call.target.batch + row * call.target.row + column * call.target.column;
}

/// Any types and sizes, a value a thread.
KERNEL multiply(
    GLOBAL const void *first, GLOBAL const void *second, GLOBAL void *target, ARGUMENT(MatrixKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  if (index >= call.batch * call.rows * call.columns) return;
  long line = quotient(index, call.columns), column = index - line * call.columns;
  long batch = quotient(line, call.rows), row = line - batch * call.rows;
  long a = call.first.offset + batch * call.first.batch + row * call.first.row;
  long b = call.second.offset + batch * call.second.batch + column * call.second.column;
  wide sum = wide_of(0);
  for (long k = 0; k < call.inner; k++) {
    wide factor = wide_at(first, call.first.type, a + k * call.first.column);
    sum = wide_add(sum, wide_multiply(factor, wide_at(second, call.second.type, b + k * call.second.row)));
  }
  set_product(target, call, target_index(call, batch, row, column), sum);
}

/// Copies lines of a factor to shared memory, `DEPTH` places of each; 0 where there are none.
INLINE void read_panel(
    GLOBAL const void *values, int type, long base, long line, long lines, long lineStep, long inner, long depth,
    long depthStep, LOCAL float *panel) {
  for (int index = THREAD; index < MATRIX_TILE * DEPTH; index += THREADS) {
    // Neighbours in memory are neighbouring threads'.
    int k = depthStep == 1 ? index % DEPTH : index / MATRIX_TILE;
    int own = depthStep == 1 ? index / DEPTH : index % MATRIX_TILE;
    int isThere = line + own < lines && inner + k < depth;
    panel[k * PITCH + own] =
        isThere ? narrow_of(values, type, base + (line + own) * lineStep + (inner + k) * depthStep) : 0;
  }
}

/// Types of at most float32: a tile of the target is a block's work.
KERNEL multiply_tiles(
    GLOBAL const void *first, GLOBAL const void *second, GLOBAL void *target,
    ARGUMENT(MatrixKernelCall) call SHARED_ARGUMENT) {
  LOCAL float *a = FIRST_PANEL, *b = SECOND_PANEL;
  long across = (call.columns + MATRIX_TILE - 1) / MATRIX_TILE, down = (call.rows + MATRIX_TILE - 1) / MATRIX_TILE;
  long line = quotient(BLOCK, across), batch = quotient(line, down);
  long column = (BLOCK - line * across) * MATRIX_TILE, row = (line - batch * down) * MATRIX_TILE;
  int ownRow = THREAD / MATRIX_SIDE, ownColumn = THREAD % MATRIX_SIDE;
  wide sums[SHARE][SHARE];
  clear_tile(sums);

  for (long inner = 0; inner < call.inner; inner += DEPTH) {
    read_panel(
        first, call.first.type, call.first.offset + batch * call.first.batch, row, call.rows, call.first.row, inner, call.inner,
        call.first.column, a);
    read_panel(
        second, call.second.type, call.second.offset + batch * call.second.batch, column, call.columns, call.second.column, inner,
        call.inner, call.second.row, b);
    WAIT;
    add_panels(a, b, sums);
    WAIT;
  }

#pragma unroll
  for (int i = 0; i < SHARE; i++) {
#pragma unroll
    for (int j = 0; j < SHARE; j++) {
      long r = row + ownRow + i * MATRIX_SIDE, c = column + ownColumn + j * MATRIX_SIDE;
      if (r >= call.rows || c >= call.columns) continue;
      set_product(target, call, target_index(call, batch, r, c), sums[i][j]);
    }
  }
}
