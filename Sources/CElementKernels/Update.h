// Steps of optimizers, in float64.

/// Of 16 values: half of them each.
typedef struct wide_values {
  doubles low, high;
} wide_values;

INLINE wide_values wide(floats a) { return (wide_values){low(a), high(a)}; }

INLINE wide_values wide_load(const double *from) {
  wide_values result;
  __builtin_memcpy(&result, from, sizeof result);
  return result;
}

INLINE floats combined(norm_type type, double alpha, wide_values x, double beta, wide_values old) {
  return rounded_once(type, alpha * x.low + beta * old.low, alpha * x.high + beta * old.high);
}

INLINE void combine_of(norm_type type, double alpha, const char *x, double beta, char *target, size_t count) {
  const size_t bytes = width(type);
  size_t i = 0;
  if (beta == 0) {
#define SCALED(x) rounded_once(type, low(x) * alpha, high(x) * alpha)
    for (; i + lanes <= count; i += lanes) store(type, target + i * bytes, SCALED(load(type, x + i * bytes)));
    if (i < count) store_few(type, target + i * bytes, SCALED(load_few(type, x + i * bytes, count - i)), count - i);
#undef SCALED
    return;
  }
  for (; i + lanes <= count; i += lanes)
    store(type, target + i * bytes,
          combined(type, alpha, wide(load(type, x + i * bytes)), beta, wide(load(type, target + i * bytes))));
  if (i < count)
    store_few(type, target + i * bytes,
              combined(type, alpha, wide(load_few(type, x + i * bytes, count - i)), beta,
                       wide(load_few(type, target + i * bytes, count - i))),
              count - i);
}

static void PASTE(combine, ISA)(norm_type type, double alpha, const void *x, double beta, void *target, size_t count) {
#define CASE(type) combine_of(type, alpha, x, beta, target, count)
  WITH_TYPE(CASE, type)
#undef CASE
}

INLINE void combine_wide_of(norm_type type, double alpha, const double *x, double beta, char *target, size_t count) {
  const size_t bytes = width(type);
  for (size_t i = 0; i < count; i += lanes) {
    const size_t few = least(count - i, lanes);
    double room[lanes] = {0};
    const double *from = x + i;
    if (few < lanes) {
      for (size_t k = 0; k < few; k++) room[k] = from[k];
      from = room;
    }
    wide_values a = wide_load(from);
    floats old = 0;
    if (beta != 0) old = few < lanes ? load_few(type, target + i * bytes, few) : load(type, target + i * bytes);
    floats result = beta == 0 ? rounded_once(type, alpha * a.low, alpha * a.high)
                              : combined(type, alpha, a, beta, wide(old));
    if (few < lanes)
      store_few(type, target + i * bytes, result, few);
    else
      store(type, target + i * bytes, result);
  }
}

static void PASTE(combine_wide, ISA)(norm_type type, double alpha, const double *x, double beta, void *target,
                                     size_t count) {
#define CASE(type) combine_wide_of(type, alpha, x, beta, target, count)
  WITH_TYPE(CASE, type)
#undef CASE
}

/// Moments and parameter after a step (Kingma and Ba, 2015, algorithm 1).
INLINE void adam_step(const element_adam *s, doubles g, doubles *p, doubles *m, doubles *v) {
  *m = s->beta1 * *m + (1 - s->beta1) * g;
  *v = s->beta2 * *v + (1 - s->beta2) * g * g;
  *p -= s->learn_rate * (*m / s->correction1) / (__builtin_elementwise_sqrt(*v / s->correction2) + s->epsilon);
}

INLINE void adam_of(norm_type type, const element_adam *s, const char *g, char *p, char *m, char *v, size_t count) {
  const size_t bytes = width(type);
  for (size_t i = 0; i < count; i += lanes) {
    const size_t few = least(count - i, lanes);
#define READ(from) wide(few < lanes ? load_few(type, (from) + i * bytes, few) : load(type, (from) + i * bytes))
#define WRITE(to, a)                                                                                                   \
  {                                                                                                                    \
    floats rounded = rounded_once(type, (a).low, (a).high);                                                            \
    if (few < lanes)                                                                                                   \
      store_few(type, (to) + i * bytes, rounded, few);                                                                 \
    else                                                                                                               \
      store(type, (to) + i * bytes, rounded);                                                                          \
  }
    wide_values gradient = READ(g), parameter = READ(p), mean = READ(m), square = READ(v);
    adam_step(s, gradient.low, &parameter.low, &mean.low, &square.low);
    adam_step(s, gradient.high, &parameter.high, &mean.high, &square.high);
    WRITE(p, parameter)
    WRITE(m, mean)
    WRITE(v, square)
#undef WRITE
#undef READ
  }
}

static void PASTE(adam, ISA)(norm_type type, const element_adam *step, const void *gradient, void *parameter,
                             void *first_moment, void *second_moment, size_t count) {
#define CASE(type) adam_of(type, step, gradient, parameter, first_moment, second_moment, count)
  WITH_TYPE(CASE, type)
#undef CASE
}
