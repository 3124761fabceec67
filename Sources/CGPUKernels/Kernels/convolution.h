// Convolutions as products of matrices that are not made: factors are read where they lie. Each direction has one whose
// values are of a window at a place, which is read from x or, by data, from y, and one that is read as it is.
//
//     forward     rows: maps of y   columns: places of y   inner: window, maps of x
//     by data     rows: maps of x   columns: places of x   inner: window, maps of y
//     by weights  rows: maps of y   columns: window, maps of x   inner: places of y

/// A place of a picture.
typedef struct {
  long image;
  long row;
  long column;
} Place;

/// A place of the window, and a map of the group.
typedef struct {
  long row;
  long column;
  long map;
} Tap;

INLINE Place place_at(long index, long height, long width) {
  Place place;
  long line = quotient(index, width);
  place.column = index - line * width;
  place.image = quotient(line, height);
  place.row = line - place.image * height;
  return place;
}

/// Maps lie together in the order of taps.
INLINE Tap tap_at(PASSED(ConvolutionKernelCall) call, long index, long maps) {
  Tap tap;
  long place = quotient(index, maps);
  tap.map = index - place * maps;
  tap.row = quotient(place, call.kernelWidth);
  tap.column = place - tap.row * call.kernelWidth;
  return tap;
}

/// The place of y whose window has its `offset`th place at a place of x; below 0 for none.
INLINE long window_over(long place, long offset, long stride) {
  long distance = place - offset;
  if (distance < 0) return -1;
  long found = quotient(distance, stride);
  return found * stride == distance ? found : -1;
}

/// Where the value that a tap meets at a place is; below 0 outside.
INLINE long met_index(PASSED(ConvolutionKernelCall) call, long group, Place place, Tap tap) {
  if (call.direction == CONVOLUTION_BY_DATA) {
    long row = window_over(place.row, tap.row * call.dilationRows - call.top, call.strideRows);
    long column = window_over(place.column, tap.column * call.dilationColumns - call.left, call.strideColumns);
    if (row < 0 || row >= call.outputHeight || column < 0 || column >= call.outputWidth) return -1;
    return picture_index(call.y, place.image, group * call.outputMaps + tap.map, row, column);
  }
  long row = place.row * call.strideRows - call.top + tap.row * call.dilationRows;
  long column = place.column * call.strideColumns - call.left + tap.column * call.dilationColumns;
  if (row < 0 || row >= call.inputHeight || column < 0 || column >= call.inputWidth) return -1;
  return picture_index(call.x, place.image, group * call.inputMaps + tap.map, row, column);
}

/// Where a weight is.
INLINE long weight_index(PASSED(ConvolutionKernelCall) call, long group, long outputMap, long inputMap, Tap tap) {
  return picture_index(call.w, group * call.outputMaps + outputMap, inputMap, tap.row, tap.column);
}

/// Where a value of the factor that is read as it is lies.
INLINE long plain_index(PASSED(ConvolutionKernelCall) call, long group, long row, long inner) {
  if (call.direction == CONVOLUTION_FORWARD) {
    Tap tap = tap_at(call, inner, call.inputMaps);
    return weight_index(call, group, row, tap.map, tap);
  }
  if (call.direction == CONVOLUTION_BY_DATA) {
    Tap tap = tap_at(call, inner, call.outputMaps);
    return weight_index(call, group, tap.map, row, tap);
  }
  Place place = place_at(inner, call.outputHeight, call.outputWidth);
  return picture_index(call.y, place.image, group * call.outputMaps + row, place.row, place.column);
}

/// Where a value of the other factor lies; below 0 where it is 0.
INLINE long window_index(PASSED(ConvolutionKernelCall) call, long group, long inner, long column) {
  if (call.direction == CONVOLUTION_FORWARD) {
    return met_index(
        call, group, place_at(column, call.outputHeight, call.outputWidth), tap_at(call, inner, call.inputMaps));
  }
  if (call.direction == CONVOLUTION_BY_DATA) {
    return met_index(
        call, group, place_at(column, call.inputHeight, call.inputWidth), tap_at(call, inner, call.outputMaps));
  }
  return met_index(
      call, group, place_at(inner, call.outputHeight, call.outputWidth), tap_at(call, column, call.inputMaps));
}

CALLED void set_convolved(
    GLOBAL void *target, GLOBAL const void *bias, PASSED(ConvolutionKernelCall) call, long piece, long group, long row,
    long column, wide sum) {
  if (call.pieces > 1) {
    long index = ((piece * call.groups + group) * call.rows + row) * call.columns + column;
    set_bits(target, TYPE_FLOAT64, index, bits_of_wide(sum, 0));
  } else if (call.direction == CONVOLUTION_FORWARD) {
    long map = group * call.outputMaps + row;
    Place place = place_at(column, call.outputHeight, call.outputWidth);
    if (call.hasBias) sum = wide_add(sum, wide_at(bias, call.w.type, call.biasOffset + map));
    long index = picture_index(call.y, place.image, map, place.row, place.column);
    set_bits(target, call.y.type, index, bits_of_wide(sum, 0));
  } else if (call.direction == CONVOLUTION_BY_DATA) {
    Place place = place_at(column, call.inputHeight, call.inputWidth);
    long index = picture_index(call.x, place.image, group * call.inputMaps + row, place.row, place.column);
    set_bits(target, call.x.type, index, bits_of_wide(sum, 0));
  } else {
    Tap tap = tap_at(call, column, call.inputMaps);
    set_bits(target, call.w.type, weight_index(call, group, row, tap.map, tap), bits_of_wide(sum, 0));
  }
}

/// The types of the two factors: of the weights or, by weights, of y, and of what windows are of.
INLINE int plain_type(PASSED(ConvolutionKernelCall) call) {
  return call.direction == CONVOLUTION_BY_WEIGHTS ? call.y.type : call.w.type;
}
INLINE int window_type(PASSED(ConvolutionKernelCall) call) {
  return call.direction == CONVOLUTION_BY_DATA ? call.y.type : call.x.type;
}

/// Any types and sizes, a value of a piece a thread.
KERNEL convolve(
    GLOBAL const void *plain, GLOBAL const void *windows, GLOBAL const void *bias, GLOBAL void *target,
    ARGUMENT(ConvolutionKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  long line = quotient(index, call.columns), column = index - line * call.columns;
  long set = quotient(line, call.rows), row = line - set * call.rows;
  long piece = quotient(set, call.groups), group = set - piece * call.groups;
  if (piece >= call.pieces) return;
  int plainType = plain_type(call), windowType = window_type(call);
  int isDouble = plainType == TYPE_FLOAT64 || windowType == TYPE_FLOAT64;
  wide sum = wide_of(0);
  long end = min((piece + 1) * call.length, call.inner);
  for (long start = piece * call.length; start < end; start += DEPTH) {
    // So many products are added in float32, as in tiles.
    float run = 0;
    for (long inner = start; inner < min(start + DEPTH, end); inner++) {
      long other = window_index(call, group, inner, column);
      if (other < 0) continue;
      long own = plain_index(call, group, row, inner);
      if (isDouble) {
        sum = wide_add(sum, wide_multiply(wide_at(plain, plainType, own), wide_at(windows, windowType, other)));
      } else {
        run = fma(narrow_of(plain, plainType, own), narrow_of(windows, windowType, other), run);
      }
    }
    sum = wide_add(sum, wide_of(run));
  }
  set_convolved(target, bias, call, piece, group, row, column, sum);
}

/// Types of at most float32: a tile of a piece is a block's work.
KERNEL convolve_tiles(
    GLOBAL const void *plain, GLOBAL const void *windows, GLOBAL const void *bias, GLOBAL void *target,
    ARGUMENT(ConvolutionKernelCall) call SHARED_ARGUMENT) {
  LOCAL float *a = FIRST_PANEL, *b = SECOND_PANEL;
  long across = (call.columns + MATRIX_TILE - 1) / MATRIX_TILE, down = (call.rows + MATRIX_TILE - 1) / MATRIX_TILE;
  long line = quotient(BLOCK, across), set = quotient(line, down);
  long column = (BLOCK - line * across) * MATRIX_TILE, row = (line - set * down) * MATRIX_TILE;
  long piece = quotient(set, call.groups), group = set - piece * call.groups;
  int plainType = plain_type(call), windowType = window_type(call);
  // Neighbours in memory are neighbouring threads': along the inner axis where the other has windows.
  int isAlong = call.direction == CONVOLUTION_BY_WEIGHTS;
  wide sums[SHARE][SHARE];
  clear_tile(sums);
  long end = min((piece + 1) * call.length, call.inner);
  for (long inner = piece * call.length; inner < end; inner += DEPTH) {
    for (int index = THREAD; index < MATRIX_TILE * DEPTH; index += THREADS) {
      int k = isAlong ? index % DEPTH : index / MATRIX_TILE, own = isAlong ? index / DEPTH : index % MATRIX_TILE;
      int isThere = row + own < call.rows && inner + k < end;
      a[k * PITCH + own] = isThere ? narrow_of(plain, plainType, plain_index(call, group, row + own, inner + k)) : 0;
      k = index / MATRIX_TILE;
      own = index % MATRIX_TILE;
      isThere = column + own < call.columns && inner + k < end;
      long other = isThere ? window_index(call, group, inner + k, column + own) : -1;
      b[k * PITCH + own] = other < 0 ? 0 : narrow_of(windows, windowType, other);
    }
    WAIT;
    add_panels(a, b, sums);
    WAIT;
  }

  int ownRow = THREAD / MATRIX_SIDE, ownColumn = THREAD % MATRIX_SIDE;
#pragma unroll
  for (int i = 0; i < SHARE; i++) {
#pragma unroll
    for (int j = 0; j < SHARE; j++) {
      long r = row + ownRow + i * MATRIX_SIDE, c = column + ownColumn + j * MATRIX_SIDE;
      if (r >= call.rows || c >= call.columns) continue;
      set_convolved(target, bias, call, piece, group, r, c, sums[i][j]);
    }
  }
}
