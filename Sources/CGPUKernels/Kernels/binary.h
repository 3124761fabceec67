// Functions of two values, each computed in REAL and rounded once.

INLINE REAL binary_value(int function, REAL a, REAL b, REAL slope) {
  switch (function) {
  case BINARY_ADD: return a + b;
  case BINARY_SUBTRACT: return a - b;
  case BINARY_MULTIPLY: return a * b;
  case BINARY_DIVIDE: return a / b;
  // NaN is what is not even itself.
  case BINARY_MAXIMUM: return a > b || a != a ? a : b;
  case BINARY_MINIMUM: return a < b || a != a ? a : b;
  default: return rectified_gradient(a, b, slope);
  }
}

/// Values that lie in the same places of all three, 16 bytes of them a thread.
KERNEL binary(
    GLOBAL const uint4 *first, GLOBAL const uint4 *second, GLOBAL uint4 *output, ARGUMENT(BinaryKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  REAL slope = real_of_number(number_of_bits(call.slope), 0);
  REAL a[LANES], b[LANES];
  unpack(first[vector], a);
  unpack(second[vector], b);
#pragma unroll
  for (int k = 0; k < LANES; k++) a[k] = binary_value(call.function, a[k], b[k], slope);
  store_vector(output, vector, length, a);
}

/// Values anywhere, one a thread.
KERNEL binary_strided(
    GLOBAL const VALUE *first, GLOBAL const VALUE *second, GLOBAL VALUE *output, ARGUMENT(BinaryKernelCall) call) {
  long rest = BLOCK * THREADS + THREAD;
  if (rest >= call.count) return;
  REAL slope = real_of_number(number_of_bits(call.slope), 0);
  long from = call.firstOffset, other = call.secondOffset, to = call.outputOffset;
  for (int axis = call.axes - 1; axis >= 0; axis--) {
    long next = quotient(rest, call.extents.at[axis]), place = rest - next * call.extents.at[axis];
    from += place * call.first.at[axis];
    other += place * call.second.at[axis];
    to += place * call.output.at[axis];
    rest = next;
  }
  output[to] = value_of(binary_value(call.function, real_of(first[from]), real_of(second[other]), slope));
}
