// Calls of the C interface where memory is short: every allocation that a call makes fails in turn, alone and with all
// that follow it. Each call has to end with a status, and the next one to compute. Then calls on a small stack.
//
// Needs glibc: the program's own malloc stands before it.

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "instancenorm.h"

// MARK: Memory that fails

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

// How many allocations more are had; negative for all.
static atomic_int left = -1;
static atomic_bool fails_on, has_failed;

static bool fails(void) {
  const int before = atomic_load(&left);
  if (before < 0) return false;
  if (before > 0) {
    atomic_fetch_sub(&left, 1);
    return false;
  }
  if (!fails_on) atomic_store(&left, -1);
  atomic_store(&has_failed, true);
  errno = ENOMEM;
  return true;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *pointer, size_t size) { return fails() ? NULL : __libc_realloc(pointer, size); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **pointer, size_t alignment, size_t size) {
  return (*pointer = memalign(alignment, size)) ? 0 : ENOMEM;
}

static void fail_after(int count, bool and_on) {
  fails_on = and_on;
  has_failed = false;
  left = count;
}

// MARK: Calls

static const char *now = "";

static void expect(bool holds, const char *what) {
  if (holds) return;
  left = -1;
  fprintf(stderr, "scarce: %s: %s (%s)\n", now, what, instnorm_last_error());
  exit(1);
}

typedef struct example {
  instnorm_planes planes;
  instnorm_options options;
  bool has_residual;
  // What every third plane's values are multiplied by; NAN for a NaN among them, 0 for a constant plane.
  double extreme;
} example;

typedef struct arrays {
  void *x, *dy, *residual, *y, *dx, *dresidual, *scale, *bias, *dscale, *dbias;
  double *mean, *inv_std;
  size_t bytes;
} arrays;

static void fill(void *target, const example *of, bool is_data, int seed) {
  const size_t planes = of->planes.images * of->planes.maps, size = of->planes.plane_size;
  for (size_t index = 0; index < planes * size; index++) {
    const bool is_last = of->planes.layout == INSTNORM_NHWC;
    const size_t map = is_last ? index % of->planes.maps : index / size % of->planes.maps;
    double value = sin((double)index * 0.7 + seed);
    if (is_data && map % 3 == 1) value = isnan(of->extreme) ? index % 5 ? value : NAN : value * of->extreme;
    const float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    switch (of->planes.dtype) {
    case INSTNORM_FLOAT64: ((double *)target)[index] = value; break;
    case INSTNORM_FLOAT32: ((float *)target)[index] = single; break;
    case INSTNORM_FLOAT16: ((_Float16 *)target)[index] = (_Float16)single; break;
    case INSTNORM_BFLOAT16: ((uint16_t *)target)[index] = (uint16_t)(bits >> 16); break;
    }
  }
}

static arrays make(const example *of) {
  const size_t planes = of->planes.images * of->planes.maps, values = planes * of->planes.plane_size;
  const bool is_double = of->planes.dtype == INSTNORM_FLOAT64;
  const size_t size = is_double ? 8 : of->planes.dtype == INSTNORM_FLOAT32 ? 4 : 2;
  const size_t parameters = of->options.grain == INSTNORM_BY_ELEMENT ? of->planes.maps * of->planes.plane_size
                                                                     : planes;
  arrays all = {.bytes = values * size};
  void **data[] = {&all.x, &all.dy, &all.residual, &all.y, &all.dx, &all.dresidual};
  for (int index = 0; index < 6; index++) {
    *data[index] = malloc(all.bytes);
    fill(*data[index], of, index == 0, index);
  }
  void **small[] = {&all.scale, &all.bias, &all.dscale, &all.dbias};
  for (int index = 0; index < 4; index++) {
    *small[index] = malloc(parameters * (is_double ? 8 : 4));
    for (size_t place = 0; place < parameters; place++)
      if (is_double)
        ((double *)*small[index])[place] = 1 + 0.25 * index;
      else
        ((float *)*small[index])[place] = 1 + 0.25f * (float)index;
  }
  all.mean = malloc(planes * 8);
  all.inv_std = malloc(planes * 8);
  return all;
}

static void drop(arrays *all) {
  void *pointers[] = {all->x,     all->dy,   all->residual, all->y,     all->dx,   all->dresidual,
                      all->scale, all->bias, all->dscale,   all->dbias, all->mean, all->inv_std};
  for (size_t index = 0; index < sizeof pointers / sizeof *pointers; index++) free(pointers[index]);
}

static instnorm_status forward(const example *of, const arrays *all) {
  return instnorm_forward(&of->planes, &of->options, all->x, all->scale, all->bias,
                          of->has_residual ? all->residual : NULL, all->y, all->mean, all->inv_std);
}

static instnorm_status backward(const example *of, const arrays *all) {
  return instnorm_backward(&of->planes, &of->options, all->dy, all->x, all->scale, all->bias,
                           of->has_residual ? all->residual : NULL, all->mean, all->inv_std, all->dx, all->dscale,
                           all->dbias, of->has_residual ? all->dresidual : NULL);
}

static int failures;

// Fails each allocation of a call in turn. What the call writes is `result`.
static void fail_each(instnorm_status call(const example *, const arrays *), const example *of, const arrays *all,
                      const void *result) {
  void *right = NULL;
  for (int and_on = 0; and_on < 2; and_on++)
    for (int count = 0;; count++) {
      // What is kept would be used instead.
      instnorm_trim();
      fail_after(count, and_on);
      const instnorm_status status = call(of, all);
      const bool has_failed_now = has_failed;
      left = -1;
      expect(status == INSTNORM_OK || status == INSTNORM_OUT_OF_MEMORY, "a status that is none of these");
      if (status == INSTNORM_OUT_OF_MEMORY) {
        expect(has_failed_now, "out of memory with memory to be had");
        expect(strstr(instnorm_last_error(), "bytes could not be allocated") != NULL, "an error that does not say so");
        failures++;
      }
      expect(call(of, all) == INSTNORM_OK, "the next call does not compute");
      if (right == NULL) {
        right = malloc(all->bytes);
        memcpy(right, result, all->bytes);
      }
      expect(memcmp(right, result, all->bytes) == 0, "the next call computes something else");
      if (!has_failed_now) break;
    }
  free(right);
}

// MARK: Small stacks

typedef struct visit {
  const example *of;
  const arrays *all;
} visit;

static void *make_calls(void *argument) {
  const visit *given = argument;
  expect(forward(given->of, given->all) == INSTNORM_OK, "forward on a small stack");
  expect(backward(given->of, given->all) == INSTNORM_OK, "backward on a small stack");
  return NULL;
}

static size_t deepest;

// Calls on a thread whose stack is painted, to see how far it goes.
static void measure_stack(const example *of, const arrays *all) {
  enum { page = 1 << 16, size = 32 << 10 };
  unsigned char *stack = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect(stack != MAP_FAILED && mprotect(stack, page, PROT_NONE) == 0, "no stack");
  stack += page;
  memset(stack, 0xA5, size);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  expect(pthread_attr_setstack(&attributes, stack, size) == 0, "pthread_attr_setstack");
  visit given = {of, all};
  pthread_t thread;
  expect(pthread_create(&thread, &attributes, make_calls, &given) == 0, "pthread_create");
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  size_t untouched = 0;
  while (untouched < size && stack[untouched] == 0xA5) untouched++;
  if (size - untouched > deepest) deepest = size - untouched;
  munmap(stack - page, page + size);
}

static void try(const example *of) {
  static char name[128];
  snprintf(name, sizeof name, "type %d, layout %d, sharing %d, grain %d, planes of %ld, extreme %g, %d threads",
           of->planes.dtype, of->planes.layout, of->options.sharing, of->options.grain, (long)of->planes.plane_size,
           of->extreme, of->options.threads);
  now = name;
  arrays all = make(of);
  fail_each(forward, of, &all, all.y);
  fail_each(backward, of, &all, all.dx);
  measure_stack(of, &all);
  drop(&all);
}

int main(void) {
  now = "arguments";
  instnorm_planes planes = {.images = -1, .maps = 3, .plane_size = 4};
  fail_after(0, true);
  instnorm_status status = instnorm_forward(&planes, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
  left = -1;
  expect(status == INSTNORM_INVALID_ARGUMENT && !has_failed, "a wrong argument takes memory");
  expect(!strcmp(instnorm_last_error(), "instnorm_forward: planes->images: expected 0 or more, got -1"), "words");

  const double extremes[] = {1, 1e38, 1e-30, 1e-320, NAN, 0};
  const instnorm_sharing sharings[] = {INSTNORM_INSTANCE, INSTNORM_LAYER, INSTNORM_BATCH};
  for (int dtype = INSTNORM_FLOAT32; dtype <= INSTNORM_FLOAT64; dtype++)
    for (int layout = 0; layout < 2; layout++)
      for (int extreme = 0; extreme < 6; extreme++)
        for (int sharing = 0; sharing < 3; sharing++)
          for (int grain = 0; grain < 3; grain += 2)
            for (int threads = 1; threads <= 4; threads += 3) {
              const bool is_half = dtype == INSTNORM_FLOAT16 || dtype == INSTNORM_BFLOAT16;
              if (is_half && (extreme > 1 || sharing > 1)) continue;
              example one = {{2, 70, 63, dtype, layout}, instnorm_default_options(), threads == 4, 1};
              // Large enough for threads to share, which is not all tried.
              if (threads == 4) {
                if (extreme > 1 || grain == 2) continue;
                one.planes = (instnorm_planes){2, 3, 30000, dtype, layout};
              }
              one.options.threads = threads;
              one.options.sharing = sharings[sharing];
              one.options.grain = grain;
              one.options.activation = INSTNORM_LEAKY_RELU;
              one.options.residual_place = INSTNORM_BEFORE_ACTIVATION;
              one.extreme = dtype == INSTNORM_FLOAT64 && extreme == 1 ? 1e300 : extremes[extreme];
              try(&one);
            }
  expect(failures > 100, "hardly any allocation failed");
  printf("%d calls were out of memory and said so; calls took %zu bytes of stack at most\n", failures, deepest);
  now = "a small stack";
  expect(deepest <= 28 << 10, "more stack than the header says");
  return 0;
}
