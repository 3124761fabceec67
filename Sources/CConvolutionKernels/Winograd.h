// Winograd's F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016), with the points
// 0, 1, -1, 2, -2 and infinity, for 16 maps at a time.

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

/// A^T m.
INLINE void transformed_output(const floats *m, floats *y) {
  const floats s = m[1] + m[2], d = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
  y[0] = m[0] + s + p;
  y[1] = multiply_add((floats)2.0f, q, d);
  y[2] = multiply_add((floats)4.0f, p, s);
  y[3] = multiply_add((floats)8.0f, q, d) + m[5];
}

static void PASTE(winograd_input, ISA)(const convolution_tiles *form, const float *pixels, float *transformed) {
  for (size_t t = 0; t < form->tiles; t++)
    for (size_t v = 0; v < form->vectors; v++) {
      const float *from = pixels + t * 4 * form->pixel + v * lanes;
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

static void PASTE(winograd_output, ISA)(const convolution_tiles *form, const float *transformed, const float *start,
                                        bool rectifies, float slope, float *pixels) {
  for (size_t t = 0; t < form->tiles; t++)
    for (size_t v = 0; v < form->vectors; v++) {
      const float *from = transformed + t * form->tile + v * lanes;
      float *to = pixels + t * 4 * form->pixel + v * lanes;
      const floats bias = start ? load(norm_float32, start + v * lanes) : (floats)0.0f;
      floats between[4][6];
#pragma clang loop unroll(disable)
      for (int j = 0; j < 6; j++) {
        floats column[6], result[4];
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) column[i] = load(norm_float32, from + (size_t)(i * 6 + j) * form->frequency);
        transformed_output(column, result);
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; i++) between[i][j] = result[i];
      }
#pragma clang loop unroll(disable)
      for (int i = 0; i < 4; i++) {
        floats result[4];
        transformed_output(between[i], result);
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) {
          floats y = result[j] + bias;
          if (rectifies) y = rectified(y, slope);
          store(norm_float32, to + (size_t)i * form->row + (size_t)j * form->pixel, y);
        }
      }
    }
}

/// G g, of three values.
INLINE void transformed_weights(const doubles *g, doubles *u) {
  const doubles outer = (g[0] + g[2]) * (-1.0 / 6), middle = g[1] * (-1.0 / 6);
  const doubles far = g[0] * (1.0 / 24) + g[2] * (1.0 / 6), twice = g[1] * (1.0 / 12);
  u[0] = g[0] * 0.25;
  u[1] = outer + middle;
  u[2] = outer - middle;
  u[3] = far + twice;
  u[4] = far - twice;
  u[5] = g[2];
}

/// In float64, since thirds and sixths are not exact.
static void PASTE(winograd_weights, ISA)(const float *weights, size_t step, size_t vectors, float *transformed,
                                         size_t frequency) {
  for (size_t v = 0; v < 2 * vectors; v++) {
    doubles between[6][3];
    for (int l = 0; l < 3; l++) {
      doubles column[3], result[6];
      for (int k = 0; k < 3; k++) {
        eight g;
        __builtin_memcpy(&g, weights + (size_t)(k * 3 + l) * step + v * 8, sizeof g);
        column[k] = __builtin_convertvector(g, doubles);
      }
      transformed_weights(column, result);
      for (int i = 0; i < 6; i++) between[i][l] = result[i];
    }
    for (int i = 0; i < 6; i++) {
      doubles result[6];
      transformed_weights(between[i], result);
      for (int j = 0; j < 6; j++) {
        eight u = __builtin_convertvector(result[j], eight);
        __builtin_memcpy(transformed + (size_t)(i * 6 + j) * frequency + v * 8, &u, sizeof u);
      }
    }
  }
}

// The gradient by weights is the transposed of all that: of tiles of dy, A dy A^T; products with B^T x B, added up over
// tiles; and of what these come to, G^T u G.

/// A d, of four values.
INLINE void transformed_gradient(const floats *d, floats *t) {
  const floats s = d[0] + d[2], q = d[1] + d[3];
  const floats e = multiply_add((floats)4.0f, d[2], d[0]), twice = d[1] + d[1];
  const floats o = multiply_add((floats)8.0f, d[3], twice);
  t[0] = d[0];
  t[1] = s + q;
  t[2] = s - q;
  t[3] = e + o;
  t[4] = e - o;
  t[5] = d[3];
}

static void PASTE(winograd_gradient, ISA)(const convolution_tiles *form, const float *pixels, float *transformed) {
  for (size_t t = 0; t < form->tiles; t++)
    for (size_t v = 0; v < form->vectors; v++) {
      const float *from = pixels + t * 4 * form->pixel + v * lanes;
      float *to = transformed + t * form->tile + v * lanes;
      floats between[6][4];
#pragma clang loop unroll(disable)
      for (int j = 0; j < 4; j++) {
        floats column[4], result[6];
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; i++)
          column[i] = load(norm_float32, from + (size_t)i * form->row + (size_t)j * form->pixel);
        transformed_gradient(column, result);
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) between[i][j] = result[i];
      }
#pragma clang loop unroll(disable)
      for (int i = 0; i < 6; i++) {
        floats result[6];
        transformed_gradient(between[i], result);
#pragma clang loop unroll(full)
        for (int j = 0; j < 6; j++) store(norm_float32, to + (size_t)(i * 6 + j) * form->frequency, result[j]);
      }
    }
}

/// G^T u, of six values.
INLINE void transformed_sums(const doubles *u, doubles *g) {
  const doubles near = (u[1] + u[2]) * (1.0 / 6), far = u[3] + u[4];
  g[0] = u[0] * 0.25 - near + far * (1.0 / 24);
  g[1] = (u[2] - u[1]) * (1.0 / 6) + (u[3] - u[4]) * (1.0 / 12);
  g[2] = far * (1.0 / 6) - near + u[5];
}

static void PASTE(winograd_gradient_output, ISA)(const double *sums, size_t frequency, size_t vectors, double *weights,
                                                 size_t step) {
  for (size_t v = 0; v < 2 * vectors; v++) {
    doubles between[3][6];
    for (int j = 0; j < 6; j++) {
      doubles column[6], result[3];
      for (int i = 0; i < 6; i++) __builtin_memcpy(&column[i], sums + (size_t)(i * 6 + j) * frequency + v * 8, 64);
      transformed_sums(column, result);
      for (int k = 0; k < 3; k++) between[k][j] = result[k];
    }
    for (int k = 0; k < 3; k++) {
      doubles result[3];
      transformed_sums(between[k], result);
      for (int l = 0; l < 3; l++) __builtin_memcpy(weights + (size_t)(k * 3 + l) * step + v * 8, &result[l], 64);
    }
  }
}
