// The loops that normalise. Included by Kernels.h.

/// Everything that a loop over values is specialised for, and what it needs beside them.
typedef struct normalizer {
  norm_type type;
  norm_activation activation;
  norm_residual residual;
  /// Whether parameters differ from value to value.
  bool many;
  float slope;
  norm_affine affine;
  affine_values one;
  walk walk;
} normalizer;

INLINE floats normalized(const normalizer *z, floats x, floats r) {
  affine_values a = z->many ? affine_from(&z->affine, z->walk.map) : z->one;
  return finished(z->activation, z->residual, z->slope, normal(a, x), r);
}

INLINE void normalize_few(normalizer *z, const char *x, const char *r, char *y, size_t count) {
  floats added = z->residual != norm_residual_none ? load_few(z->type, r, count) : (floats)0.0f;
  store_few(z->type, y, normalized(z, load_few(z->type, x, count), added), count);
  if (z->many) z->walk.map = (z->walk.map + count) % z->walk.maps;
}

/// Whole vectors; `past_caches` only where y is aligned. Memory at `ahead`, if not null, is fetched meanwhile.
INLINE void normalize_vectors(normalizer *z, bool past_caches, const char *x, const char *r, char *y, size_t count,
                              const char *ahead) {
  const size_t bytes = width(z->type);
  for (size_t i = 0; i + lanes <= count; i += lanes) {
    if (ahead) __builtin_prefetch(ahead + i * bytes, 0, 2);
    floats added = z->residual != norm_residual_none ? load(z->type, r + i * bytes) : (floats)0.0f;
    floats result = normalized(z, load(z->type, x + i * bytes), added);
    if (past_caches)
      stream(z->type, y + i * bytes, result);
    else
      store(z->type, y + i * bytes, result);
    if (z->many) advance(&z->walk);
  }
}

INLINE void normalize_of(norm_type type, norm_activation activation, norm_residual residual, bool many,
                         const norm_form *form, const char *x, const char *r, char *y, size_t count, size_t maps,
                         size_t first_map, const norm_affine *affine, const char *ahead) {
  const size_t bytes = width(type);
  // Copies, which no store to y can change.
  normalizer z = {type, activation, residual, many, form->slope, *affine, affine_of_one(affine),
                  walk_from(first_map, maps)};
  bool past_caches = form->stream;
  size_t i = 0;
  if (past_caches) {
    i = least(values_before_alignment(y, bytes), count);
    if (i > 0) normalize_few(&z, x, r, y, i);
    past_caches = ((size_t)(y + i * bytes) & (lanes * bytes - 1)) == 0;
  }
  const size_t whole = (count - i) / lanes * lanes;
#define AT(p) ((p) ? (p) + i * bytes : (p))
  if (past_caches) {
    if (ahead)
      normalize_vectors(&z, true, x + i * bytes, AT(r), y + i * bytes, whole, ahead);
    else
      normalize_vectors(&z, true, x + i * bytes, AT(r), y + i * bytes, whole, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  } else {
    normalize_vectors(&z, false, x + i * bytes, AT(r), y + i * bytes, whole, 0);
  }
  i += whole;
  if (i < count) normalize_few(&z, x + i * bytes, AT(r), y + i * bytes, count - i);
#undef AT
}

static void PASTE(normalize, ISA)(const norm_form *form, const void *x, const void *residual, void *y, size_t count,
                                  size_t maps, size_t first_map, const norm_affine *affine, const void *ahead) {
#define CASE(type) WITH_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  if (maps == 1)                                                                                                       \
    normalize_of(type, activation, place, false, form, x, residual, y, count, 1, 0, affine, ahead);                    \
  else                                                                                                                 \
    normalize_of(type, activation, place, true, form, x, residual, y, count, maps, first_map, affine, 0)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}
