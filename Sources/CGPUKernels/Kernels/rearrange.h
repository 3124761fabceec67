// Values that go elsewhere: conversions between types and layouts, parts, padding, resizing, repetition. And memory that
// is filled.

/// Every 8 bytes become `pattern`.
KERNEL fill_bytes(GLOBAL ulong *target, ARGUMENT(FillKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  if (index < call.count) target[index] = call.pattern;
}

/// What a place of an axis is made of: how many sources, which one is this one, and how much of it.
typedef struct {
  int count;
  long place;
  wide weight;
} Source;

INLINE Source source_of(
    PASSED(RearrangeKernelCall) call, GLOBAL const int *maps, GLOBAL const ulong *weights, int axis, long place,
    int number) {
  Source source;
  source.count = 1;
  source.place = place;
  source.weight = wide_of(1);
  long starts = call.starts.at[axis];
  if (starts < 0) return source;
  int entry = maps[starts + place];
  source.count = maps[starts + place + 1] - entry;
  if (source.count == 0) return source;
  source.place = maps[call.sources.at[axis] + entry + number];
  if (call.weights.at[axis] >= 0) source.weight = wide_of_argument(weights[call.weights.at[axis] + entry + number]);
  return source;
}

/// A value a thread: the sum over all axes' sources of their weights times the input's values.
KERNEL rearrange(
    GLOBAL const void *input, GLOBAL const int *maps, GLOBAL const ulong *weights, GLOBAL void *output,
    ARGUMENT(RearrangeKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  if (index >= call.count) return;
  long to = call.outputOffset, count = 1;
  wide sum = wide_of(0);
  // Most have one source, and are done after one turn, which counts them.
  for (long turn = 0; turn < count; turn++) {
    long from = call.inputOffset, rest = index, number = turn;
    wide weight = wide_of(1);
    for (int axis = call.axes - 1; axis >= 0; axis--) {
      long next = axis == 0 ? 0 : quotient(rest, call.extents.at[axis]);
      long place = rest - next * call.extents.at[axis];
      rest = next;
      int own = 0;
      if (turn > 0 && call.starts.at[axis] >= 0) {
        GLOBAL const int *starts = maps + call.starts.at[axis] + place;
        int sources = starts[1] - starts[0];
        long nextNumber = quotient(number, sources);
        own = (int)(number - nextNumber * sources);
        number = nextNumber;
      }
      Source source = source_of(call, maps, weights, axis, place, own);
      if (turn == 0) {
        to += place * call.output.at[axis];
        count *= source.count;
      }
      from += source.place * call.input.at[axis];
      if (call.hasWeights) weight = wide_multiply(weight, source.weight);
    }
    if (count == 1 && !call.hasWeights) {
      // As it is, so that NaN, the sign of 0 and all of a float64's bits stay.
      if (call.inputType == TYPE_FLOAT64) {
        set_bits(output, call.outputType, to, ((GLOBAL const ulong *)input)[from]);
      } else if (call.outputType == TYPE_FLOAT64) {
        set_bits(output, TYPE_FLOAT64, to, bits_of_wide(wide_of(narrow_of(input, call.inputType, from)), 0));
      } else {
        set_narrow(output, call.outputType, to, narrow_of(input, call.inputType, from));
      }
      return;
    }
    if (count > 0) sum = wide_add(sum, wide_multiply(weight, wide_at(input, call.inputType, from)));
  }
  set_bits(output, call.outputType, to, bits_of_wide(sum, 0));
}
