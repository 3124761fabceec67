// Pixels as a convolution reads them: normalised, activated, and wherever padding and upsampling take them from.

INLINE floats as_read(norm_type type, const convolution_reading *form, bool affine, const char *x, const char *residual,
                      size_t map, size_t count) {
  const size_t bytes = width(type);
  floats y = count == lanes ? load(type, x + map * bytes) : load_few(type, x + map * bytes, count);
  if (affine) {
    const floats shift = load(norm_float32, form->shift + map), gain = load(norm_float32, form->gain + map);
    y = multiply_add(y - shift, gain, load(norm_float32, form->offset + map));
  }
  floats r = 0;
  if (residual) r = count == lanes ? load(type, residual + map * bytes) : load_few(type, residual + map * bytes, count);
  if (residual && form->residual_is_before) y += r;
  if (form->rectifies) y = rectified(y, form->slope);
  if (residual && !form->residual_is_before) y += r;
  return y;
}

INLINE void read_of(norm_type type, bool affine, const convolution_reading *form, const char *x, const char *residual,
                    size_t step, size_t maps, const int32_t *places, size_t count, float *y) {
  const size_t bytes = width(type), whole = maps / lanes * lanes;
  for (size_t p = 0; p < count; p++, y += maps) {
    if (places[p] < 0) {
      __builtin_memset(y, 0, maps * sizeof(float));
      continue;
    }
    // Nearest upsampling takes a pixel several times.
    if (p > 0 && places[p] == places[p - 1]) {
      __builtin_memcpy(y, y - maps, maps * sizeof(float));
      continue;
    }
    const size_t start = (size_t)places[p] * step * bytes;
    const char *from = x + start, *other = residual ? residual + start : 0;
    for (size_t m = 0; m < whole; m += lanes)
      store(norm_float32, y + m, as_read(type, form, affine, from, other, m, lanes));
    if (whole < maps)
      store_few(norm_float32, y + whole, as_read(type, form, affine, from, other, whole, maps - whole), maps - whole);
  }
}

/// Values as they are, in runs of pixels that follow each other.
INLINE void copy_of(norm_type type, const char *x, size_t maps, const int32_t *places, size_t count, float *y) {
  const size_t bytes = width(type);
  for (size_t p = 0; p < count;) {
    size_t run = 1;
    if (places[p] < 0) {
      while (p + run < count && places[p + run] < 0) run++;
      __builtin_memset(y, 0, run * maps * sizeof(float));
    } else {
      while (p + run < count && places[p + run] == places[p] + (int32_t)run) run++;
      const char *from = x + (size_t)places[p] * maps * bytes;
      const size_t values = run * maps, whole = values / lanes * lanes;
      if (type == norm_float32) {
        __builtin_memcpy(y, from, values * sizeof(float));
      } else {
        for (size_t i = 0; i < whole; i += lanes) store(norm_float32, y + i, load(type, from + i * bytes));
        if (whole < values)
          store_few(norm_float32, y + whole, load_few(type, from + whole * bytes, values - whole), values - whole);
      }
    }
    p += run;
    y += run * maps;
  }
}

static void PASTE(read, ISA)(const convolution_reading *form, const void *x, const void *residual, size_t step,
                             size_t maps, const int32_t *places, size_t count, float *y) {
  const bool is_plain = !form->gain && !form->rectifies && !residual;
#define CASE(type)                                                                                                     \
  if (is_plain && step == maps)                                                                                        \
    copy_of(type, x, maps, places, count, y);                                                                          \
  else if (form->gain)                                                                                                 \
    read_of(type, true, form, x, residual, step, maps, places, count, y);                                              \
  else                                                                                                                 \
    read_of(type, false, form, x, residual, step, maps, places, count, y);                                             \
  break
  switch (form->type) {
  case norm_float32: CASE(norm_float32);
  case norm_float16: CASE(norm_float16);
  case norm_bfloat16: CASE(norm_bfloat16);
  }
#undef CASE
}

static void PASTE(add_shifted, ISA)(const float *const *x, size_t rows, size_t step, size_t maps, const float *start,
                                    bool rectifies, float slope, size_t count, float *y) {
  const floats bias = load_few(norm_float32, start, maps);
  for (size_t p = 0; p < count; p++) {
    floats sum = bias;
    for (size_t r = 0; r < rows; r++) {
      floats part;
      __builtin_memcpy(&part, x[r] + p * step + r * maps, sizeof part);
      sum += part;
    }
    if (rectifies) sum = rectified(sum, slope);
    // The lanes beyond the maps are written over by the next pixel, or by nobody: there is room.
    __builtin_memcpy(y + p * maps, &sum, sizeof sum);
  }
}
