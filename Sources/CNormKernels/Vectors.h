// Vectors of 16 values, float32 in registers and any type in memory. Included for each instruction set, by Kernels.h and
// by Elements.h of CElementKernels.

// Every loop is compiled for every form, all in one function. Without optimisation that function would have all their
// variables on its stack at once, some megabytes, more than threads have; there, one loop looks at its form as it goes.
#ifdef __OPTIMIZE__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

enum { lanes = 16 };

typedef float floats __attribute__((ext_vector_type(16)));
typedef double doubles __attribute__((ext_vector_type(8)));
typedef unsigned words __attribute__((ext_vector_type(16)));
typedef int ints __attribute__((ext_vector_type(16)));
typedef unsigned short halves __attribute__((ext_vector_type(16)));
typedef _Float16 float16s __attribute__((ext_vector_type(16)));

// MARK: - Arithmetic

INLINE floats multiply_add(floats a, floats b, floats c) {
#if HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

INLINE floats magnitude(floats a) { return (floats)((words)a & 0x7fffffffu); }

INLINE floats larger(floats a, floats b) { return a > b ? a : b; }

/// Lanes from `count` on become zero.
INLINE floats first(floats a, size_t count) {
  const ints index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return index < (int)count ? a : (floats)0.0f;
}

INLINE doubles low(floats a) { return __builtin_convertvector(a.lo, doubles); }
INLINE doubles high(floats a) { return __builtin_convertvector(a.hi, doubles); }

INLINE double total(doubles a) {
  typedef double four __attribute__((ext_vector_type(4)));
  typedef double two __attribute__((ext_vector_type(2)));
  four b = a.lo + a.hi;
  two c = b.lo + b.hi;
  return c.x + c.y;
}

// MARK: - Memory

/// After stores that went past the caches, so that other threads see them in order.
INLINE void settle(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

INLINE size_t width(norm_type type) { return type == norm_float32 ? 4 : 2; }

#if HAS_HALF
INLINE void widen_half(halves raw, floats *result) { *result = __builtin_convertvector((float16s)raw, floats); }
INLINE void narrow_half(floats a, halves *result) { *result = (halves)__builtin_convertvector(a, float16s); }
#else
static __attribute__((noinline)) void widen_half(halves raw, floats *widened) {
  words bits = __builtin_convertvector(raw, words);
  words exponent_and_fraction = bits & 0x7fffu;
  // The exponent's bias is 112 less than float32's. The product is exact, for subnormal values too.
  words finite = (words)((floats)(exponent_and_fraction << 13) * 0x1p112f);
  words special = (exponent_and_fraction << 13) | 0x7f800000u;
  words result = exponent_and_fraction >= 0x7c00u ? special : finite;
  *widened = (floats)(result | (bits & 0x8000u) << 16);
}

static __attribute__((noinline)) void narrow_half(floats a, halves *narrowed) {
  words bits = (words)a;
  words rest = bits & 0x7fffffffu;
  // Near 0.5 a float32 has float16's smallest step: adding rounds to it.
  words subnormal = (words)((floats)rest + 0.5f) - 0x3f000000u;
  words normal = (rest + 0xfffu + ((rest >> 13) & 1u) - (112u << 23)) >> 13;
  words result = rest < 0x38800000u ? subnormal : normal;
  result = rest >= 0x477ff000u ? (words)0x7c00u : result;
  result = rest > 0x7f800000u ? (words)0x7e00u : result;
  *narrowed = __builtin_convertvector(result | (bits >> 16 & 0x8000u), halves);
}
#endif

INLINE floats widen(norm_type type, halves raw) {
  if (type == norm_bfloat16) return (floats)(__builtin_convertvector(raw, words) << 16);
  floats result;
  widen_half(raw, &result);
  return result;
}

INLINE halves narrow(norm_type type, floats a) {
  halves result;
  if (type == norm_bfloat16) {
    words bits = (words)a;
    words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    words not_a_number = (bits >> 16) | 0x40u;
    result = __builtin_convertvector((bits & 0x7fffffffu) > 0x7f800000u ? not_a_number : rounded, halves);
  } else {
    narrow_half(a, &result);
  }
  return result;
}

INLINE floats load(norm_type type, const void *from) {
  if (type == norm_float32) {
    floats a;
    __builtin_memcpy(&a, from, sizeof a);
    return a;
  }
  halves raw;
  __builtin_memcpy(&raw, from, sizeof raw);
  return widen(type, raw);
}

INLINE void store(norm_type type, void *to, floats a) {
  if (type == norm_float32) {
    __builtin_memcpy(to, &a, sizeof a);
  } else {
    halves raw = narrow(type, a);
    __builtin_memcpy(to, &raw, sizeof raw);
  }
}

/// Past the caches. `to` is aligned to a vector's size.
INLINE void stream(norm_type type, void *to, floats a) {
  if (type == norm_float32)
    __builtin_nontemporal_store(a, (floats *)to);
  else
    __builtin_nontemporal_store(narrow(type, a), (halves *)to);
}

/// Fewer than 64 bytes.
INLINE void copy_few(void *to, const void *from, size_t bytes) {
  char *t = to;
  const char *f = from;
#define COPY(n)                                                                                                        \
  if (bytes & n) {                                                                                                     \
    __builtin_memcpy(t, f, n);                                                                                         \
    t += n;                                                                                                            \
    f += n;                                                                                                            \
  }
  COPY(32) COPY(16) COPY(8) COPY(4) COPY(2)
#undef COPY
}

// Once for each type, not in every loop: they are called at a loop's ends.
#define DEFINE_FEW(type)                                                                                               \
  static __attribute__((noinline)) void load_few_##type(const void *from, size_t count, floats *result) {              \
    char room[64] = {0};                                                                                               \
    copy_few(room, from, count * width(norm_##type));                                                                  \
    *result = load(norm_##type, room);                                                                                 \
  }                                                                                                                    \
  static __attribute__((noinline)) void store_few_##type(void *to, const floats *a, size_t count) {                    \
    char room[64];                                                                                                     \
    store(norm_##type, room, *a);                                                                                      \
    copy_few(to, room, count * width(norm_##type));                                                                    \
  }
DEFINE_FEW(float32)
DEFINE_FEW(float16)
DEFINE_FEW(bfloat16)
#undef DEFINE_FEW

/// Fewer than 16 values; the other lanes are zero.
INLINE floats load_few(norm_type type, const void *from, size_t count) {
  floats result;
  switch (type) {
  case norm_float32: load_few_float32(from, count, &result); break;
  case norm_float16: load_few_float16(from, count, &result); break;
  case norm_bfloat16: load_few_bfloat16(from, count, &result); break;
  }
  return result;
}

INLINE void store_few(norm_type type, void *to, floats a, size_t count) {
  switch (type) {
  case norm_float32: store_few_float32(to, &a, count); break;
  case norm_float16: store_few_float16(to, &a, count); break;
  case norm_bfloat16: store_few_bfloat16(to, &a, count); break;
  }
}

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

// MARK: - Walks

/// The map of the next value, and what a vector adds to it.
typedef struct walk {
  size_t map, maps, step;
} walk;

INLINE walk walk_from(size_t map, size_t maps) { return (walk){map, maps, maps > lanes ? lanes : lanes % maps}; }

INLINE void advance(walk *walk) {
  walk->map += walk->step;
  if (walk->map >= walk->maps) {
    walk->map -= walk->maps;
    // Keeps this a branch, which the processor predicts; a conditional move would be waited for at every vector.
    __asm__ volatile("");
  }
}

/// How many values come before `to` is aligned to a vector's size; none where it cannot be.
INLINE size_t values_before_alignment(const void *to, size_t bytes) {
  size_t over = (size_t)to & (lanes * bytes - 1);
  if (over == 0 || over % bytes) return 0;
  return lanes - over / bytes;
}

// MARK: - ReLU and its like

/// n, multiplied by the slope unless it is above 0; with a slope of 0, that is 0 and not a product, which would keep NaN.
/// A NaN compares false, and so stays. -0 becomes 0 with ReLU: so what is rounded before comes to the same as what is
/// rounded after.
INLINE floats rectified(floats n, float slope) { return n <= 0.0f ? (slope == 0 ? (floats)0.0f : n * slope) : n; }

/// dy times the slope at n.
INLINE floats rectified_gradient(floats dy, floats n, float slope) {
  return n > 0.0f ? dy : slope == 0 ? (floats)0.0f : dy * slope;
}
