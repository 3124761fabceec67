// Sums, means and greatest values. A piece of what an output is made of is a team of threads' work; how many pieces and
// how large a team depends on the number of values alone. Where there are several pieces, the same kernel reduces what
// it made of them.

/// The sum of a team's numbers, or the greatest of its orders, for its first member. Every thread of the block has to
/// come by.
INLINE void reduce_team(
    PASSED(ReductionKernelCall) call, int member, int stride, number *total, ulong *greatest, LOCAL number *room) {
  LOCAL ulong *orders = (LOCAL ulong *)room;
  if (call.function == REDUCTION_MAX) orders[THREAD] = *greatest;
  else room[THREAD] = *total;
  for (int apart = call.team / 2; apart > 0; apart /= 2) {
    WAIT;
    if (member >= apart) continue;
    int other = THREAD + apart * stride;
    if (call.function == REDUCTION_MAX) orders[THREAD] = max(orders[THREAD], orders[other]);
    else room[THREAD] = number_add(room[THREAD], room[other]);
  }
  if (call.function == REDUCTION_MAX) *greatest = orders[THREAD];
  else *total = room[THREAD];
}

KERNEL reduce(
    GLOBAL const void *input, GLOBAL void *output, ARGUMENT(ReductionKernelCall) call SHARED_ARGUMENT) {
  // Neighbours in memory are neighbouring threads': places of one output's, or outputs.
  int width = THREADS / call.team;
  int lane = call.isInterleaved ? THREAD % width : THREAD / call.team;
  int member = call.isInterleaved ? THREAD / width : THREAD % call.team;
  long item = BLOCK * width + lane;
  int isThere = item < call.outputs * call.pieces;
  long piece = quotient(item, call.outputs), own = item - piece * call.outputs;
  long from = call.inputOffset, to = call.outputOffset, rest = own;
  for (int axis = call.keptAxes - 1; axis >= 0; axis--) {
    long next = quotient(rest, call.kept.at[axis]), place = rest - next * call.kept.at[axis];
    from += place * call.keptInput.at[axis];
    to += place * call.output.at[axis];
    rest = next;
  }

  wide sum = wide_of(0);
  // What a device without float64 would lose of its values.
  number total = number_of(0);
  ulong greatest = order_of_bits(0xfff0000000000000UL);
  long start = piece * call.length, end = isThere ? min(start + call.length, call.count) : start;
  for (long index = start + member; index < end; index += call.team) {
    long place = from;
    rest = index;
    for (int axis = call.reducedAxes - 1; axis > 0; axis--) {
      long next = quotient(rest, call.reduced.at[axis]);
      place += (rest - next * call.reduced.at[axis]) * call.reducedInput.at[axis];
      rest = next;
    }
    place += rest * call.reducedInput.at[0];
    if (call.function == REDUCTION_MAX) {
      greatest = max(greatest, order_of_bits(float64_bits_at(input, call.inputType, place)));
#ifndef HAS_DOUBLE
    } else if (call.inputType == TYPE_FLOAT64) {
      total = number_add(total, number_of_bits(((GLOBAL const ulong *)input)[place]));
#endif
    } else {
      sum = wide_add(sum, wide_at(input, call.inputType, place));
    }
  }
  total = number_add(total, number_of_wide(sum, 0));
  reduce_team(call, member, call.isInterleaved ? width : 1, &total, &greatest, (LOCAL number *)SHARED_MEMORY);
  if (!isThere || member > 0) return;

  if (!call.isLast) to = own * call.pieces + piece;
  else if (call.function == REDUCTION_MEAN) total = number_divide(total, number_of_count(call.divisor));
  ulong bits = call.function == REDUCTION_MAX ? bits_of_order(greatest) : bits_of_number(total);
  set_bits(output, call.outputType, to, bits);
}
