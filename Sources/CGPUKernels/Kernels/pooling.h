// What is at the places of the greatest values of windows, and what comes back to these places.

typedef struct {
  long row;
  long column;
} WindowPlace;

/// Where a window's greatest value is: the first of several, the last NaN.
INLINE WindowPlace chosen_place(
    PASSED(PoolingKernelCall) call, GLOBAL const void *chooser, long image, long map, long row, long column) {
  long firstRow = row * call.strideRows - call.top, firstColumn = column * call.strideColumns - call.left;
  long endRow = min(firstRow + call.windowHeight, call.height), endColumn = min(firstColumn + call.windowWidth, call.width);
  firstRow = max(firstRow, 0L);
  firstColumn = max(firstColumn, 0L);
  WindowPlace found = {firstRow, firstColumn};
  ulong greatest = 0;
  for (long i = firstRow; i < endRow; i++) {
    for (long j = firstColumn; j < endColumn; j++) {
      long index = call.chooserOffset - call.picture.offset + picture_index(call.picture, image, map, i, j);
      ulong bits = float64_bits_at(chooser, call.picture.type, index);
      // The two zeros are equal.
      ulong order = order_of_bits(bits << 1 == 0 ? 0UL : bits);
      if (order > greatest || order == 0xffffffffffffffffUL) {
        greatest = order;
        found.row = i;
        found.column = j;
      }
    }
  }
  return found;
}

/// A value of the result a thread.
KERNEL choose(
    GLOBAL const void *chooser, GLOBAL const void *input, GLOBAL void *output, ARGUMENT(PoolingKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  long height = call.isScatter ? call.height : call.rows, width = call.isScatter ? call.width : call.columns;
  // Neighbours in memory are neighbouring threads'.
  long rest, map, row, column;
  if (call.mapsLast) {
    rest = quotient(index, call.maps);
    map = index - rest * call.maps;
    long line = quotient(rest, width);
    column = rest - line * width;
    rest = quotient(line, height);
    row = line - rest * height;
  } else {
    long line = quotient(index, width);
    column = index - line * width;
    long plane = quotient(line, height);
    row = line - plane * height;
    rest = quotient(plane, call.maps);
    map = plane - rest * call.maps;
  }
  long image = rest;
  if (image >= call.images) return;
  int type = call.picture.type;
  if (!call.isScatter) {
    WindowPlace place = chosen_place(call, chooser, image, map, row, column);
    long from = picture_index(call.picture, image, map, place.row, place.column);
    long to = picture_index(call.pooled, image, map, row, column);
    if (type == TYPE_FLOAT64) ((GLOBAL ulong *)output)[to] = ((GLOBAL const ulong *)input)[from];
    else set_narrow(output, type, to, narrow_of(input, type, from));
    return;
  }
  // The windows that this place is in.
  long lastRow = quotient(row + call.top, call.strideRows), lastColumn = quotient(column + call.left, call.strideColumns);
  wide sum = wide_of(0);
  for (long i = min(lastRow, call.rows - 1); i >= 0; i--) {
    if (i * call.strideRows - call.top + call.windowHeight <= row) break;
    for (long j = min(lastColumn, call.columns - 1); j >= 0; j--) {
      if (j * call.strideColumns - call.left + call.windowWidth <= column) break;
      WindowPlace place = chosen_place(call, chooser, image, map, i, j);
      if (place.row != row || place.column != column) continue;
      sum = wide_add(sum, wide_at(input, type, picture_index(call.pooled, image, map, i, j)));
    }
  }
  set_bits(output, type, picture_index(call.picture, image, map, row, column), bits_of_wide(sum, 0));
}
