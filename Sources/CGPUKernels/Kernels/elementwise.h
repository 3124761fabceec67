// Work on values that have nothing to do with their neighbours, conversions, and small sums.
//
// Sums and updates are computed as wide, so that they come out as on the processor.

CALLED wide wide_of_argument(ulong bits) {
  int exponent;
  wide value = wide_of_bits(bits, &exponent);
  return wide_scale(value, exponent);
}

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

/// Every 8 bytes become `a`.
KERNEL fill_bytes(GLOBAL ulong *target, ARGUMENT(ElementKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  if (index < call.count) target[index] = call.a;
}

KERNEL elementwise(
    GLOBAL const uint4 *first, GLOBAL const uint4 *second, GLOBAL uint4 *output, ARGUMENT(ElementKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  REAL a[LANES], b[LANES];
  unpack(first[vector], a);
  unpack(second[vector], b);
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    a[k] = call.operation == ELEMENTWISE_ADD ? a[k] + b[k]
           : call.operation == ELEMENTWISE_SUBTRACT ? a[k] - b[k]
                                                    : a[k] * b[k];
  }
  store_vector(output, vector, length, a);
}

/// A function of each value; `a` is the slope.
KERNEL pointwise(GLOBAL const uint4 *input, GLOBAL uint4 *output, ARGUMENT(ElementKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  REAL slope = real_of_number(number_of_bits(call.a), 0);
  REAL values[LANES];
  unpack(input[vector], values);
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    REAL value = values[k];
    values[k] = call.operation == POINTWISE_TANH ? tanh(value)
                : call.operation == POINTWISE_RELU ? (value < 0 ? 0 : value)
                                                   : (value < 0 ? value * slope : value);
  }
  store_vector(output, vector, length, values);
}

/// Its gradient. `values` are the function's input, of tanh its output.
KERNEL pointwise_gradient(
    GLOBAL const uint4 *gradient, GLOBAL const uint4 *values, GLOBAL uint4 *output, ARGUMENT(ElementKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  REAL slope = real_of_number(number_of_bits(call.a), 0);
  REAL dy[LANES], v[LANES];
  unpack(gradient[vector], dy);
  unpack(values[vector], v);
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    dy[k] = call.operation == POINTWISE_TANH ? dy[k] * fma(-v[k], v[k], (REAL)1)
            : v[k] > 0                       ? dy[k]
            : call.operation == POINTWISE_RELU ? 0
                                               : dy[k] * slope;
  }
  store_vector(output, vector, length, dy);
}

/// target = a x + b target.
KERNEL combine(GLOBAL const uint4 *x, GLOBAL uint4 *target, ARGUMENT(ElementKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  wide alpha = wide_of_argument(call.a), beta = wide_of_argument(call.b);
  REAL values[LANES], old[LANES];
  unpack(x[vector], values);
  if (!wide_is_zero(beta)) unpack(target[vector], old);
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    wide value = wide_multiply(alpha, wide_of(values[k]));
    if (!wide_is_zero(beta)) value = wide_add(value, wide_multiply(beta, wide_of(old[k])));
    values[k] = real_of_wide(value);
  }
  store_vector(target, vector, length, values);
}

/// One step of Adam.
KERNEL adam(
    GLOBAL const uint4 *gradient, GLOBAL uint4 *parameter, GLOBAL uint4 *first, GLOBAL uint4 *second,
    ARGUMENT(AdamKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  wide beta1 = wide_of_argument(call.beta1), beta2 = wide_of_argument(call.beta2);
  wide rest1 = wide_add(wide_of(1), wide_negate(beta1)), rest2 = wide_add(wide_of(1), wide_negate(beta2));
  wide correction1 = wide_of_argument(call.correction1), correction2 = wide_of_argument(call.correction2);
  wide learnRate = wide_of_argument(call.learnRate), epsilon = wide_of_argument(call.epsilon);
  REAL g[LANES], p[LANES], m[LANES], v[LANES];
  unpack(gradient[vector], g);
  unpack(parameter[vector], p);
  unpack(first[vector], m);
  unpack(second[vector], v);
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    wide slope = wide_of(g[k]);
    wide mean = wide_add(wide_multiply(beta1, wide_of(m[k])), wide_multiply(rest1, slope));
    wide square =
        wide_add(wide_multiply(beta2, wide_of(v[k])), wide_multiply(wide_multiply(rest2, slope), slope));
    wide size = wide_add(wide_root(wide_divide(square, correction2)), epsilon);
    wide step = wide_divide(wide_multiply(learnRate, wide_divide(mean, correction1)), size);
    p[k] = real_of_wide(wide_add(wide_of(p[k]), wide_negate(step)));
    m[k] = real_of_wide(mean);
    v[k] = real_of_wide(square);
  }
  store_vector(parameter, vector, length, p);
  store_vector(first, vector, length, m);
  store_vector(second, vector, length, v);
}

/// Values that a block adds.
#define SUM_LENGTH 16384

KERNEL sum_blocks(GLOBAL const VALUE *values, GLOBAL ulong *sums, ARGUMENT(ElementKernelCall) call SHARED_ARGUMENT) {
  LOCAL number *room = (LOCAL number *)SHARED_MEMORY;
  long start = BLOCK * SUM_LENGTH, end = min(start + SUM_LENGTH, call.count);
  wide sum = wide_of(0);
  for (long index = start + THREAD; index < end; index += THREADS) {
    sum = wide_add(sum, wide_of(real_of(values[index])));
  }
  number total = block_sum(number_of_wide(sum, 0), room);
  if (THREAD == 0) sums[BLOCK] = bits_of_number(total);
}

// MARK: Values of any type

/// The nearest float32 of a float64, or with `toOdd` one from which a narrower type is the nearest of the float64 too:
/// what is cut off makes the last bit 1 (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
CALLED float float_of_bits(ulong bits, int toOdd) {
  uint sign = (uint)(bits >> 63) << 31;
  int field = (int)(bits >> 52) & 0x7ff;
  ulong digits = bits & ((1UL << 52) - 1);
  if (field == 0x7ff) return as_float(sign | 0x7f800000U | (digits ? 0x400000U : 0U));
  int exponent = field - 1023;
  if (exponent > 127) return as_float(sign | 0x7f800000U);
  if (exponent < -151) return as_float(sign | (toOdd && (field | (digits != 0)) ? 1U : 0U));
  digits |= 1UL << 52;
  int shift = exponent < -126 ? 29 + (-126 - exponent) : 29;
  ulong kept = digits >> shift, cut = digits & ((1UL << shift) - 1), middle = 1UL << (shift - 1);
  uint result = (uint)kept;
  if (exponent >= -126) result = (result & 0x7fffffU) | (uint)(exponent + 127) << 23;
  if (toOdd) {
    result |= cut != 0;
  } else if (cut > middle || (cut == middle && (kept & 1))) {
    // A carry goes into the exponent, as it should.
    result += 1;
  }
  return as_float(sign | result);
}

INLINE float narrow_of(GLOBAL const void *values, int type, long index) {
  if (type == TYPE_FLOAT32) return ((GLOBAL const float *)values)[index];
  ushort bits = ((GLOBAL const ushort *)values)[index];
  return type == TYPE_FLOAT16 ? float_of_half(bits) : as_float((uint)bits << 16);
}

INLINE void set_narrow(GLOBAL void *values, int type, long index, float value) {
  if (type == TYPE_FLOAT32) {
    ((GLOBAL float *)values)[index] = value;
  } else {
    ((GLOBAL ushort *)values)[index] = type == TYPE_FLOAT16 ? half_of_float(value) : bfloat_of_float(value);
  }
}

INLINE wide wide_of_float(float value) {
#ifdef HAS_DOUBLE
  return value;
#else
  return wide_pair(value, 0);
#endif
}

/// Copies values from any type and layout to any other.
KERNEL convert(GLOBAL const void *source, GLOBAL void *target, ARGUMENT(ConvertKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  if (index >= call.count) return;
  long from = index;
  if (call.sourceMapsLast != call.targetMapsLast) {
    long values = call.maps * call.size, image = index / values, rest = index % values;
    from = image * values + (call.targetMapsLast ? rest % call.maps * call.size + rest / call.maps
                                                 : rest % call.size * call.maps + rest / call.size);
  }
  if (call.sourceType == TYPE_FLOAT64) {
    ulong bits = ((GLOBAL const ulong *)source)[from];
    if (call.targetType == TYPE_FLOAT64) {
      ((GLOBAL ulong *)target)[index] = bits;
    } else {
      set_narrow(target, call.targetType, index, float_of_bits(bits, call.targetType != TYPE_FLOAT32));
    }
  } else {
    float value = narrow_of(source, call.sourceType, from);
    if (call.targetType == TYPE_FLOAT64) {
      ((GLOBAL ulong *)target)[index] = bits_of_wide(wide_of_float(value), 0);
    } else {
      set_narrow(target, call.targetType, index, value);
    }
  }
}

INLINE wide wide_at(GLOBAL const void *values, int type, long index) {
  if (type == TYPE_FLOAT64) return wide_of_argument(((GLOBAL const ulong *)values)[index]);
  return wide_of_float(narrow_of(values, type, index));
}

INLINE void set_wide(GLOBAL void *values, int type, long index, wide value) {
  ulong bits = bits_of_wide(value, 0);
  if (type == TYPE_FLOAT64) {
    ((GLOBAL ulong *)values)[index] = bits;
  } else {
    set_narrow(values, type, index, float_of_bits(bits, type != TYPE_FLOAT32));
  }
}

/// A product of matrices, a value a thread.
KERNEL multiply(
    GLOBAL const void *first, GLOBAL const void *second, GLOBAL void *target, ARGUMENT(MatrixKernelCall) call) {
  long index = BLOCK * THREADS + THREAD;
  if (index >= call.rows * call.columns) return;
  long row = index / call.columns, column = index % call.columns;
  wide sum = wide_of_float(0);
  for (long k = 0; k < call.inner; k++) {
    wide a = wide_at(first, call.firstType, call.firstOffset + row * call.firstRow + k * call.firstColumn);
    wide b = wide_at(second, call.secondType, call.secondOffset + k * call.secondRow + column * call.secondColumn);
    sum = wide_add(sum, wide_multiply(a, b));
  }
  sum = wide_multiply(wide_of_argument(call.alpha), sum);
  wide beta = wide_of_argument(call.beta);
  if (!wide_is_zero(beta)) sum = wide_add(sum, wide_multiply(beta, wide_at(target, call.targetType, index)));
  set_wide(target, call.targetType, index, sum);
}

// MARK: Maps

/// target = a (a row of sums added over N) + b target.
KERNEL accumulate(GLOBAL const ulong *sums, GLOBAL void *target, ARGUMENT(MapKernelCall) call) {
  long map = BLOCK * THREADS + THREAD;
  if (map >= call.maps) return;
  number total = number_of_bits(0);
  // Several at once, since memory takes longer to answer than they to be added.
  for (long image = 0; image < call.images; image += 8) {
    ulong bits[8];
#pragma unroll
    for (int k = 0; k < 8; k++) {
      bits[k] = image + k < call.images ? sums[(call.row * call.images + image + k) * call.maps + map] : 0;
    }
#pragma unroll
    for (int k = 0; k < 8; k++) total = number_add(total, number_of_bits(bits[k]));
  }
  total = number_multiply(number_of_bits(call.a), total);
  number beta = number_of_bits(call.b);
  if (!number_is_zero(beta)) {
    ulong old = call.targetType == TYPE_FLOAT64
                    ? ((GLOBAL const ulong *)target)[map]
                    : bits_of_wide(wide_of_float(((GLOBAL const float *)target)[map]), 0);
    total = number_add(total, number_multiply(beta, number_of_bits(old)));
  }
  ulong bits = bits_of_number(total);
  if (call.targetType == TYPE_FLOAT64) {
    ((GLOBAL ulong *)target)[map] = bits;
  } else {
    ((GLOBAL float *)target)[map] = float_of_bits(bits, 0);
  }
}

INLINE int number_is_finite(number value) {
  return wide_is_finite(value.digits) && value.exponent < 1024;
}

/// Moves running statistics; `a` is the momentum, `b` the epsilon.
KERNEL track(
    GLOBAL const ulong *mean, GLOBAL const ulong *inverse, GLOBAL ulong *runningMean, GLOBAL ulong *runningVariance,
    ARGUMENT(MapKernelCall) call) {
  long map = BLOCK * THREADS + THREAD;
  if (map >= call.maps) return;
  number newMean = number_of_bits(0), newVariance = newMean;
  number epsilon = number_negate(number_of_bits(call.b));
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
  number momentum = number_of_bits(call.a);
  number old = number_of_bits(runningMean[map]);
  number step = number_multiply(momentum, number_add(newMean, number_negate(old)));
  runningMean[map] = bits_of_number(number_add(old, step));
  old = number_of_bits(runningVariance[map]);
  step = number_multiply(momentum, number_add(newVariance, number_negate(old)));
  runningVariance[map] = bits_of_number(number_add(old, step));
}

/// Running statistics as those of each plane; `b` is the epsilon.
KERNEL recall(
    GLOBAL const ulong *mean, GLOBAL const ulong *variance, GLOBAL ulong *planeMean, GLOBAL ulong *inverse,
    ARGUMENT(MapKernelCall) call) {
  long plane = BLOCK * THREADS + THREAD;
  if (plane >= call.images * call.maps) return;
  long map = plane % call.maps;
  planeMean[plane] = mean[map];
  inverse[plane] = bits_of_number(inverse_root(number_of_bits(variance[map]), call.b));
}
