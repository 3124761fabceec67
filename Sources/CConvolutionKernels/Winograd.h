// Winograd's F(5x5, 2x2), F(4x4, 3x3) and F(3x3, 4x4) (Lavin and Gray, "Fast algorithms for convolutional neural
// networks", 2016), with the points 0, 1, -1, 2, -2 and infinity, for 16 maps at a time. They read tiles of 6x6 pixels
// and transform them alike.

typedef float eight __attribute__((ext_vector_type(8)));

/// B^T d, of six values `step` vectors apart.
INLINE void transformed_input(const floats *d, int step, floats *t) {
  const floats a = multiply_add((floats)-4.0f, d[2 * step], d[4 * step]);
  const floats b = multiply_add((floats)-4.0f, d[step], d[3 * step]);
  const floats c = d[4 * step] - d[2 * step];
  const floats half = d[3 * step] - d[step], e = half + half;
  t[0] = multiply_add((floats)4.0f, d[0], multiply_add((floats)-5.0f, d[2 * step], d[4 * step]));
  t[1] = a + b;
  t[2] = a - b;
  t[3] = c + e;
  t[4] = c - e;
  t[5] = multiply_add((floats)4.0f, d[step], multiply_add((floats)-5.0f, d[3 * step], d[5 * step]));
}

/// A^T m, `size` values.
INLINE void transformed_output(const int size, const floats *m, floats *y) {
  const floats s = m[1] + m[2], d = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
  y[0] = m[0] + s + p;
  y[1] = multiply_add((floats)2.0f, q, d);
  y[2] = multiply_add((floats)4.0f, p, s);
  if (size > 3) y[3] = multiply_add((floats)8.0f, q, d);
  if (size > 4) y[4] = multiply_add((floats)16.0f, p, s);
  y[size - 1] += m[5];
}

static void PASTE(winograd_input, ISA)(const convolution_tiles *form, const float *pixels, float *transformed) {
  for (size_t t = 0; t < form->tiles; t++)
    for (size_t v = 0; v < form->vectors; v++) {
      const float *from = pixels + t * form->size * form->pixel + v * lanes;
      float *to = transformed + t * form->tile + v * lanes;
      floats between[6][6];
#pragma clang loop unroll(disable)
      for (int j = 0; j < 6; j++) {
        floats column[6], result[6];
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++)
          column[i] = load(norm_float32, from + (size_t)i * form->row + (size_t)j * form->pixel);
        transformed_input(column, 1, result);
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) between[i][j] = result[i];
      }
#pragma clang loop unroll(disable)
      for (int i = 0; i < 6; i++) {
        floats result[6];
        transformed_input(between[i], 1, result);
#pragma clang loop unroll(full)
        for (int j = 0; j < 6; j++) store(norm_float32, to + (size_t)(i * 6 + j) * form->frequency, result[j]);
      }
    }
}

INLINE void output_tiles(const int size, const convolution_tiles *form, const float *transformed, const float *start,
                         bool rectifies, float slope, float *pixels) {
  for (size_t t = 0; t < form->tiles; t++)
    for (size_t v = 0; v < form->vectors; v++) {
      const float *from = transformed + t * form->tile + v * lanes;
      float *to = pixels + t * size * form->pixel + v * lanes;
      const floats bias = start ? load(norm_float32, start + v * lanes) : (floats)0.0f;
      floats between[5][6];
#pragma clang loop unroll(disable)
      for (int j = 0; j < 6; j++) {
        floats column[6], result[5];
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) column[i] = load(norm_float32, from + (size_t)(i * 6 + j) * form->frequency);
        transformed_output(size, column, result);
#pragma clang loop unroll(full)
        for (int i = 0; i < size; i++) between[i][j] = result[i];
      }
#pragma clang loop unroll(disable)
      for (int i = 0; i < size; i++) {
        floats result[5];
        transformed_output(size, between[i], result);
#pragma clang loop unroll(full)
        for (int j = 0; j < size; j++) {
          floats y = result[j] + bias;
          if (rectifies) y = rectified(y, slope);
          store(norm_float32, to + (size_t)i * form->row + (size_t)j * form->pixel, y);
        }
      }
    }
}

static void PASTE(winograd_output, ISA)(const convolution_tiles *form, const float *transformed, const float *start,
                                        bool rectifies, float slope, float *pixels) {
  switch (form->size) {
  case 3: output_tiles(3, form, transformed, start, rectifies, slope, pixels); break;
  case 4: output_tiles(4, form, transformed, start, rectifies, slope, pixels); break;
  default: output_tiles(5, form, transformed, start, rectifies, slope, pixels); break;
  }
}

/// G g, of `size` values.
INLINE void transformed_weights(const int size, const doubles *g, doubles *u) {
  const doubles even = size > 2 ? g[0] + g[2] : g[0], odd = size > 3 ? g[1] + g[3] : g[1];
  const doubles outer = even * (-1.0 / 6), middle = odd * (-1.0 / 6);
  doubles far = g[0] * (1.0 / 24), twice = g[1] * (1.0 / 12);
  if (size > 2) far += g[2] * (1.0 / 6);
  if (size > 3) twice += g[3] * (1.0 / 3);
  u[0] = g[0] * 0.25;
  u[1] = outer + middle;
  u[2] = outer - middle;
  u[3] = far + twice;
  u[4] = far - twice;
  u[5] = g[size - 1];
}

/// In float64, since thirds and sixths are not exact. There are 36 places to store to, far from each other, which nobody
/// reads soon: whole cache lines go to memory as they are.
INLINE void transform_weights(const int size, const convolution_weights *form, float *transformed) {
  for (size_t map = 0; map < form->maps; map++) {
    const float *from = form->values + (ptrdiff_t)map * form->input;
    float *to = transformed + map * form->step;
    doubles between[6][4][2];
#pragma clang loop unroll(disable)
    for (int l = 0; l < size; l++) {
      doubles places[2][4], result[6];
      for (int k = 0; k < size; k++) {
        const float *place = from + k * form->row + l * form->column;
        float lane[lanes];
        for (int i = 0; i < lanes; i++) lane[i] = place[i * form->output];
        const floats g = load(norm_float32, lane);
        places[0][k] = low(g);
        places[1][k] = high(g);
      }
      for (int half = 0; half < 2; half++) {
        transformed_weights(size, places[half], result);
        for (int i = 0; i < 6; i++) between[i][l][half] = result[i];
      }
    }
#pragma clang loop unroll(disable)
    for (int i = 0; i < 6; i++) {
      doubles line[4], first[6], second[6];
      for (int l = 0; l < size; l++) line[l] = between[i][l][0];
      transformed_weights(size, line, first);
      for (int l = 0; l < size; l++) line[l] = between[i][l][1];
      transformed_weights(size, line, second);
      for (int j = 0; j < 6; j++) {
        floats u;
        u.lo = __builtin_convertvector(first[j], eight);
        u.hi = __builtin_convertvector(second[j], eight);
        __builtin_nontemporal_store(u, (floats *)(to + (size_t)(i * 6 + j) * form->frequency));
      }
    }
  }
  settle();
}

static void PASTE(winograd_weights, ISA)(size_t size, const convolution_weights *form, float *transformed) {
  switch (size) {
  case 2: transform_weights(2, form, transformed); break;
  case 3: transform_weights(3, form, transformed); break;
  default: transform_weights(4, form, transformed); break;
  }
}

// The gradient by weights is the transposed of all that: of tiles of dy, A dy A^T; products with B^T x B, added up over
// tiles; and of what these come to, G^T u G.

/// A d, of `size` values.
INLINE void transformed_gradient(const int size, const floats *d, floats *t) {
  floats s = d[0] + d[2], q = d[1];
  floats e = multiply_add((floats)4.0f, d[2], d[0]), o = d[1] + d[1];
  if (size > 3) {
    q += d[3];
    o = multiply_add((floats)8.0f, d[3], o);
  }
  if (size > 4) {
    s += d[4];
    e = multiply_add((floats)16.0f, d[4], e);
  }
  t[0] = d[0];
  t[1] = s + q;
  t[2] = s - q;
  t[3] = e + o;
  t[4] = e - o;
  t[5] = d[size - 1];
}

INLINE void gradient_tiles(const int size, const convolution_tiles *form, const float *pixels, float *transformed) {
  for (size_t t = 0; t < form->tiles; t++)
    for (size_t v = 0; v < form->vectors; v++) {
      const float *from = pixels + t * size * form->pixel + v * lanes;
      float *to = transformed + t * form->tile + v * lanes;
      floats between[6][5];
#pragma clang loop unroll(disable)
      for (int j = 0; j < size; j++) {
        floats column[5], result[6];
#pragma clang loop unroll(full)
        for (int i = 0; i < size; i++)
          column[i] = load(norm_float32, from + (size_t)i * form->row + (size_t)j * form->pixel);
        transformed_gradient(size, column, result);
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) between[i][j] = result[i];
      }
#pragma clang loop unroll(disable)
      for (int i = 0; i < 6; i++) {
        floats result[6];
        transformed_gradient(size, between[i], result);
#pragma clang loop unroll(full)
        for (int j = 0; j < 6; j++) store(norm_float32, to + (size_t)(i * 6 + j) * form->frequency, result[j]);
      }
    }
}

static void PASTE(winograd_gradient, ISA)(const convolution_tiles *form, const float *pixels, float *transformed) {
  switch (form->size) {
  case 3: gradient_tiles(3, form, pixels, transformed); break;
  case 4: gradient_tiles(4, form, pixels, transformed); break;
  default: gradient_tiles(5, form, pixels, transformed); break;
  }
}

/// G^T u, `size` values.
INLINE void transformed_sums(const int size, const doubles *u, doubles *g) {
  const doubles near = (u[1] + u[2]) * (1.0 / 6), far = u[3] + u[4];
  const doubles turn = (u[2] - u[1]) * (1.0 / 6), twist = u[3] - u[4];
  g[0] = u[0] * 0.25 - near + far * (1.0 / 24);
  g[1] = turn + twist * (1.0 / 12);
  if (size > 2) g[2] = far * (1.0 / 6) - near;
  if (size > 3) g[3] = turn + twist * (1.0 / 3);
  g[size - 1] += u[5];
}

INLINE void load_sums(const convolution_sums *form, size_t at, doubles *halves) {
  if (form->values) {
    const floats u = load(norm_float32, form->values + at);
    halves[0] = low(u);
    halves[1] = high(u);
  } else {
    __builtin_memcpy(halves, form->sums + at, 2 * sizeof *halves);
  }
}

INLINE void prefetch_sums(const convolution_sums *form, size_t at) {
  if (form->values) {
    __builtin_prefetch(form->values + at);
  } else {
    __builtin_prefetch(form->sums + at);
    __builtin_prefetch(form->sums + at + 8);
  }
}

INLINE void transform_sums(const int size, const convolution_sums *form, const convolution_weights *target) {
  for (size_t map = 0; map < target->maps; map++) {
    // The next map's lie in 36 places, which no prefetcher knows.
    for (size_t frequency = 0; frequency < 36; frequency++)
      prefetch_sums(form, (map + 1) * target->step + frequency * target->frequency);
    doubles between[4][6][2];
#pragma clang loop unroll(disable)
    for (int j = 0; j < 6; j++) {
      doubles column[2][6], result[4];
      for (int i = 0; i < 6; i++) {
        doubles halves[2];
        load_sums(form, map * target->step + (size_t)(i * 6 + j) * target->frequency, halves);
        column[0][i] = halves[0];
        column[1][i] = halves[1];
      }
      for (int half = 0; half < 2; half++) {
        transformed_sums(size, column[half], result);
        for (int k = 0; k < size; k++) between[k][j][half] = result[k];
      }
    }
    float *to = target->values + (ptrdiff_t)map * target->input;
#pragma clang loop unroll(disable)
    for (int k = 0; k < size; k++) {
      doubles line[6], first[4], second[4];
      for (int j = 0; j < 6; j++) line[j] = between[k][j][0];
      transformed_sums(size, line, first);
      for (int j = 0; j < 6; j++) line[j] = between[k][j][1];
      transformed_sums(size, line, second);
      for (int l = 0; l < size; l++) {
        float *place = to + k * target->row + l * target->column;
        for (int i = 0; i < 8; i++) {
          place[i * target->output] = (float)first[l][i];
          place[(i + 8) * target->output] = (float)second[l][i];
        }
      }
    }
  }
}

static void PASTE(winograd_gradient_output, ISA)(size_t size, const convolution_sums *form,
                                                 const convolution_weights *target) {
  switch (size) {
  case 2: transform_sums(2, form, target); break;
  case 3: transform_sums(3, form, target); break;
  default: transform_sums(4, form, target); break;
  }
}
