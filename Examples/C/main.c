/*
 * The documentation's example in C: a batch of 5 pictures of 3 maps, normalised, and a gradient taken.
 *
 *     script/examples        builds the library and this, and runs it
 */

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instancenorm.h"

enum { images = 5, maps = 3, height = 4, width = 4, plane = height * width, count = images * maps * plane };

static float x[count], y[count], dy[count], dx[count], residual[count];
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

/* The largest difference from the formula, written down. */
static double worst_error(const float *result, const float *scale, const float *bias) {
  double worst = 0;
  for (int p = 0; p < images * maps; p++) {
    double m = 0, variance = 0;
    for (int i = 0; i < plane; i++) m += x[p * plane + i] / (double)plane;
    for (int i = 0; i < plane; i++) variance += pow(x[p * plane + i] - m, 2) / plane;
    for (int i = 0; i < plane; i++) {
      double expected = scale[p % maps] * (x[p * plane + i] - m) / sqrt(variance + 1e-5) + bias[p % maps];
      worst = fmax(worst, fabs(result[p * plane + i] - expected));
    }
  }
  return worst;
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
  const instnorm_planes planes = {.images = images, .maps = maps, .plane_size = plane};
  check(instnorm_forward(&planes, NULL, x, scale, bias, NULL, y, mean, inv_std));
  expect(worst_error(y, scale, bias) < 1e-5, "y is the formula's");

  float dscale[maps], dbias[maps];
  check(instnorm_backward(&planes, NULL, dy, x, scale, bias, NULL, mean, inv_std, dx, dscale, dbias, NULL));
  double sum = 0;
  for (int i = 0; i < plane; i++) sum += dx[i];
  expect(fabs(sum) < 1e-4, "a plane's dx adds up to 0");

  instnorm_options options = instnorm_default_options();
  options.activation = INSTNORM_RELU;
  float *fused = malloc(sizeof y);
  if (fused == NULL) return 1;
  check(instnorm_forward(&planes, &options, x, scale, bias, residual, fused, NULL, NULL));
  int equal = 1;
  for (int i = 0; i < count; i++) equal &= fused[i] == (y[i] > 0 ? y[i] : 0) + residual[i];
  free(fused);
  expect(equal, "with ReLU and a residual it is max(y, 0) + residual");

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
