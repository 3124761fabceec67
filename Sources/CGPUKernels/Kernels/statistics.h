// Running statistics: (C) float64, and those of a call, (N, C) float64.

INLINE int number_is_finite(number value) {
  return wide_is_finite(value.digits) && value.exponent < 1024;
}

/// Moves running statistics towards the call's.
KERNEL track(
    GLOBAL const ulong *mean, GLOBAL const ulong *inverse, GLOBAL ulong *runningMean, GLOBAL ulong *runningVariance,
    ARGUMENT(StatisticsKernelCall) call) {
  long map = BLOCK * THREADS + THREAD;
  if (map >= call.maps) return;
  number newMean = number_of_bits(0), newVariance = newMean;
  number epsilon = number_negate(number_of_bits(call.epsilon));
  for (long image = 0; image < call.images; image++) {
    long plane = image * call.maps + map;
    newMean = number_add(newMean, number_of_bits(mean[plane]));
    number own = number_of_bits(inverse[plane]);
    // An inverse of 0 stands for a variance and an epsilon of 0.
    if (number_is_zero(own)) continue;
    number variance = number_add(number_divide(number_of_count(1), number_multiply(own, own)), epsilon);
    if (!wide_is_negative(variance.digits)) newVariance = number_add(newVariance, variance);
  }
  number images = number_of_count(call.images);
  newMean = number_divide(newMean, images);
  newVariance = number_divide(
      number_multiply(newVariance, number_of_count(call.count)),
      number_multiply(images, number_of_count(call.count - 1)));
  // A product with 0 would keep what is not finite.
  if (!number_is_finite(newMean) || !number_is_finite(newVariance)) return;
  number momentum = number_of_bits(call.momentum);
  number old = number_of_bits(runningMean[map]);
  number step = number_multiply(momentum, number_add(newMean, number_negate(old)));
  runningMean[map] = bits_of_number(number_add(old, step));
  old = number_of_bits(runningVariance[map]);
  step = number_multiply(momentum, number_add(newVariance, number_negate(old)));
  runningVariance[map] = bits_of_number(number_add(old, step));
}

/// Running statistics as those of each plane.
KERNEL recall(
    GLOBAL const ulong *mean, GLOBAL const ulong *variance, GLOBAL ulong *planeMean, GLOBAL ulong *inverse,
    ARGUMENT(StatisticsKernelCall) call) {
  long plane = BLOCK * THREADS + THREAD;
  if (plane >= call.images * call.maps) return;
  long map = plane % call.maps;
  planeMean[plane] = mean[map];
  inverse[plane] = bits_of_number(inverse_root(number_of_bits(variance[map]), call.epsilon));
}
