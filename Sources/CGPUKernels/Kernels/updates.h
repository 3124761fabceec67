// Steps of optimizers. They are computed as wide, so that they come out as on the processor.

/// target = a x + b target.
KERNEL combine(GLOBAL const uint4 *x, GLOBAL uint4 *target, ARGUMENT(CombineKernelCall) call) {
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
