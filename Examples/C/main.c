/*
 * The documentation's example in C: a batch of 5 pictures of 3 maps, normalised, and a gradient taken.
 *
 *     script/examples        builds the library and this, and runs it
 */

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instancenorm.h"

enum { images = 5, maps = 3, height = 4, width = 4, plane = height * width, count = images * maps * plane };

static float x[count], y[count], dy[count], dx[count], residual[count], dresidual[count];
static double mean[images * maps], inv_std[images * maps];

static void check(instnorm_status status) {
  if (status == INSTNORM_OK) return;
  fprintf(stderr, "%s\n", instnorm_last_error());
  exit(1);
}

static void expect(int holds, const char *what) {
  printf("%-62s %s\n", what, holds ? "yes" : "NO");
  if (!holds) exit(1);
}

/* Numbers in -1...1. */
static float random_value(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

/* Where value p of map i of picture t is. */
static int place(instnorm_layout layout, int t, int i, int p) {
  return layout == INSTNORM_NCHW ? (t * maps + i) * plane + p : (t * plane + p) * maps + i;
}

/* The formulas, written down: y = leaky_relu(n + residual), which with slope 1 and no residual is n. */
static double e_y[count], e_dx[count], e_dn[count], e_dscale[maps], e_dbias[maps];

static void work_out(instnorm_layout layout, const float *scale, const float *bias, const float *r, double slope) {
  for (int i = 0; i < maps; i++) e_dscale[i] = e_dbias[i] = 0;
  for (int t = 0; t < images; t++) {
    for (int i = 0; i < maps; i++) {
      double m = 0, variance = 0, sum = 0, product = 0;
      for (int p = 0; p < plane; p++) m += x[place(layout, t, i, p)] / (double)plane;
      for (int p = 0; p < plane; p++) variance += pow(x[place(layout, t, i, p)] - m, 2) / plane;
      const double inverse = 1 / sqrt(variance + 1e-5);
      for (int p = 0; p < plane; p++) {
        const int at = place(layout, t, i, p);
        const double xhat = (x[at] - m) * inverse, n = scale[i] * xhat + bias[i] + (r == NULL ? 0 : r[at]);
        e_y[at] = n > 0 ? n : slope * n;
        e_dn[at] = n > 0 ? dy[at] : slope * dy[at];
        sum += e_dn[at];
        product += e_dn[at] * xhat;
      }
      for (int p = 0; p < plane; p++) {
        const int at = place(layout, t, i, p);
        const double xhat = (x[at] - m) * inverse;
        e_dx[at] = scale[i] * inverse * (e_dn[at] - sum / plane - xhat * product / plane);
      }
      e_dscale[i] += product;
      e_dbias[i] += sum;
    }
  }
}

static int near(const float *result, const double *expected, int length) {
  double worst = 0;
  for (int i = 0; i < length; i++) worst = fmax(worst, fabs(result[i] - expected[i]));
  return worst < 1e-5;
}

/* One of many threads that call at once. */
enum { shared_count = 2 * 16 * 64 * 64 };
static float shared_x[shared_count], shared_expected[shared_count];
static const instnorm_planes shared_planes = {.images = 2, .maps = 16, .plane_size = 64 * 64};

static void *call_often(void *unused) {
  (void)unused;
  float *result = malloc(sizeof shared_x);
  size_t failures = result == NULL;
  for (int i = 0; i < 50 && !failures; i++) {
    failures += instnorm_forward(&shared_planes, NULL, shared_x, NULL, NULL, NULL, result, NULL, NULL) != INSTNORM_OK;
    failures += memcmp(result, shared_expected, sizeof shared_x) != 0;
    /* Errors are each thread's own. */
    failures += instnorm_forward(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) != INSTNORM_INVALID_ARGUMENT;
    failures += strstr(instnorm_last_error(), "planes") == NULL;
  }
  free(result);
  return (void *)failures;
}

int main(void) {
  const float scale[maps] = {1.5f, -2, 0.5f}, bias[maps] = {0, 1, -1};
  unsigned state = 1;
  for (int i = 0; i < count; i++) {
    x[i] = 3 + random_value(&state);
    dy[i] = random_value(&state);
    residual[i] = random_value(&state);
  }

  printf("instance normalisation on %s\n", instnorm_instruction_set());
  instnorm_planes planes = {.images = images, .maps = maps, .plane_size = plane};
  float dscale[maps], dbias[maps];
  for (int last = 0; last < 2; last++) {
    planes.layout = last ? INSTNORM_NHWC : INSTNORM_NCHW;
    printf("maps %s\n", last ? "last" : "first");
    work_out(planes.layout, scale, bias, NULL, 1);
    check(instnorm_forward(&planes, NULL, x, scale, bias, NULL, y, mean, inv_std));
    expect(near(y, e_y, count), "y is the formula's");
    check(instnorm_backward(&planes, NULL, dy, x, scale, bias, NULL, mean, inv_std, dx, dscale, dbias, NULL));
    expect(near(dx, e_dx, count), "dx is the formula's");
    expect(near(dscale, e_dscale, maps) && near(dbias, e_dbias, maps), "so are dscale and dbias");

    instnorm_options options = instnorm_default_options();
    options.activation = INSTNORM_LEAKY_RELU;
    options.negative_slope = 0.2;
    options.residual_place = INSTNORM_BEFORE_ACTIVATION;
    work_out(planes.layout, scale, bias, residual, 0.2);
    check(instnorm_forward(&planes, &options, x, scale, bias, residual, y, mean, inv_std));
    expect(near(y, e_y, count), "y = leaky_relu(n + residual) is");
    check(instnorm_backward(&planes, &options, dy, x, scale, bias, residual, mean, inv_std, dx, NULL, NULL, dresidual));
    expect(near(dx, e_dx, count) && near(dresidual, e_dn, count), "and its dx and dresidual are");
  }

  planes.layout = INSTNORM_NCHW;
  instnorm_options options = instnorm_default_options();
  options.activation = INSTNORM_RELU;
  check(instnorm_forward(&planes, NULL, x, scale, bias, NULL, y, mean, inv_std));
  check(instnorm_forward(&planes, &options, x, scale, bias, residual, dx, NULL, NULL));
  int equal = 1;
  for (int i = 0; i < count; i++) equal &= dx[i] == (y[i] > 0 ? y[i] : 0) + residual[i];
  expect(equal, "with ReLU and a residual it is max(y, 0) + residual");

  /* bfloat16 is the upper half of float32: 8 digits of 2. */
  uint16_t half[count];
  int is_near = 1;
  for (int i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, &x[i], sizeof word);
    half[i] = (uint16_t)(word >> 16);
    word &= 0xffff0000u;
    memcpy(&dx[i], &word, sizeof word);
  }
  planes.dtype = INSTNORM_BFLOAT16;
  check(instnorm_forward(&planes, NULL, half, scale, bias, NULL, half, NULL, NULL));
  planes.dtype = INSTNORM_FLOAT32;
  check(instnorm_forward(&planes, NULL, dx, scale, bias, NULL, dx, NULL, NULL));
  for (int i = 0; i < count; i++) {
    const uint32_t word = (uint32_t)half[i] << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    is_near &= fabsf(value - dx[i]) <= fabsf(dx[i]) / 256;
  }
  expect(is_near, "in bfloat16 it is the same, rounded");

  check(instnorm_forward(&planes, NULL, x, scale, bias, NULL, x, NULL, NULL));
  expect(memcmp(x, y, sizeof x) == 0, "in place it has the same bits");

  instnorm_planes wrong = planes;
  wrong.maps = -3;
  expect(instnorm_forward(&wrong, NULL, x, NULL, NULL, NULL, y, NULL, NULL) == INSTNORM_INVALID_ARGUMENT,
         "what cannot be is refused");
  printf("    %s\n", instnorm_last_error());

  for (int i = 0; i < shared_count; i++) shared_x[i] = random_value(&state);
  check(instnorm_forward(&shared_planes, NULL, shared_x, NULL, NULL, NULL, shared_expected, NULL, NULL));
  pthread_t threads[8];
  size_t failures = 0;
  for (int i = 0; i < 8; i++)
    if (pthread_create(&threads[i], NULL, call_often, NULL) != 0) return 1;
  for (int i = 0; i < 8; i++) {
    void *result;
    pthread_join(threads[i], &result);
    failures += (size_t)result;
  }
  expect(failures == 0, "eight threads at once get the same bits");
  instnorm_trim();
  return 0;
}
