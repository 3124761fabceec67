// The functions of libvips 8 and of glib that are used here, found when they are first needed: no build needs libvips,
// nor does a program that reads no picture.

#ifndef LIBVIPS_H
#define LIBVIPS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct VipsImage VipsImage;
typedef struct VipsSource VipsSource;
typedef struct VipsTarget VipsTarget;
typedef struct VipsBlob VipsBlob;
typedef struct VipsArrayDouble VipsArrayDouble;
typedef unsigned long GType;

// The numbers of libvips' enumerations, which do not change within a major version.
enum { VIPS_CODING_NONE = 0 };
typedef enum {
  VIPS_FORMAT_UCHAR = 0,
  VIPS_FORMAT_CHAR = 1,
  VIPS_FORMAT_USHORT = 2,
  VIPS_FORMAT_SHORT = 3,
  VIPS_FORMAT_UINT = 4,
  VIPS_FORMAT_INT = 5,
  VIPS_FORMAT_FLOAT = 6,
  VIPS_FORMAT_DOUBLE = 8,
} VipsBandFormat;
typedef enum {
  VIPS_INTERPRETATION_B_W = 1,
  VIPS_INTERPRETATION_XYZ = 12,
  VIPS_INTERPRETATION_LAB = 13,
  VIPS_INTERPRETATION_CMYK = 15,
  VIPS_INTERPRETATION_LABQ = 16,
  VIPS_INTERPRETATION_RGB = 17,
  VIPS_INTERPRETATION_CMC = 18,
  VIPS_INTERPRETATION_LCH = 19,
  VIPS_INTERPRETATION_LABS = 21,
  VIPS_INTERPRETATION_sRGB = 22,
  VIPS_INTERPRETATION_YXY = 23,
  VIPS_INTERPRETATION_RGB16 = 25,
  VIPS_INTERPRETATION_GREY16 = 26,
  VIPS_INTERPRETATION_scRGB = 28,
  VIPS_INTERPRETATION_HSV = 29,
} VipsInterpretation;
enum { VIPS_FAIL_ON_TRUNCATED = 1 };
enum { G_LOG_LEVEL_WARNING = 1 << 4 };
#define G_TYPE_INT ((GType)(6 << 2))
#define VIPS_META_ICC_NAME "icc-profile-data"
#define VIPS_META_PAGE_HEIGHT "page-height"

#define EACH_LIBVIPS_FUNCTION(f)                                                                                       \
  f(int, vips_init, (const char *))                                                                                    \
  f(void, vips_cache_set_max, (int))                                                                                   \
  f(char *, vips_error_buffer_copy, (void))                                                                            \
  f(void, vips_error_clear, (void))                                                                                    \
  f(void, vips_error, (const char *, const char *, ...))                                                               \
  f(GType, vips_type_find, (const char *, const char *))                                                               \
  f(int, vips_call, (const char *, ...))                                                                               \
  f(VipsSource *, vips_source_new_from_file, (const char *))                                                           \
  f(int, vips_svgload_buffer, (void *, size_t, VipsImage **, ...))                                                     \
  f(int, vips_image_get_width, (const VipsImage *))                                                                    \
  f(int, vips_image_get_height, (const VipsImage *))                                                                   \
  f(int, vips_image_get_bands, (const VipsImage *))                                                                    \
  f(int, vips_image_get_n_pages, (VipsImage *))                                                                        \
  f(GType, vips_image_get_typeof, (const VipsImage *, const char *))                                                   \
  f(int, vips_image_get_int, (const VipsImage *, const char *, int *))                                                 \
  f(int, vips_image_get_array_int, (VipsImage *, const char *, int **, int *))                                         \
  f(int, vips_image_get_coding, (const VipsImage *))                                                                   \
  f(VipsBandFormat, vips_image_get_format, (const VipsImage *))                                                        \
  f(VipsInterpretation, vips_image_guess_interpretation, (const VipsImage *))                                          \
  f(VipsImage *, vips_image_new_from_memory_copy, (const void *, size_t, int, int, int, VipsBandFormat))               \
  f(int, vips_copy, (VipsImage *, VipsImage **, ...))                                                                  \
  f(int, vips_unpremultiply, (VipsImage *, VipsImage **, ...))                                                         \
  f(int, vips_getpoint, (VipsImage *, double **, int *, int, int, ...))                                                \
  f(int, vips_autorot, (VipsImage *, VipsImage **, ...))                                                               \
  f(int, vips_extract_band, (VipsImage *, VipsImage **, int, ...))                                                     \
  f(VipsImage *, vips_image_copy_memory, (VipsImage *))                                                                \
  f(int, vips_icc_transform, (VipsImage *, VipsImage **, const char *, ...))                                           \
  f(int, vips_colourspace, (VipsImage *, VipsImage **, VipsInterpretation, ...))                                       \
  f(int, vips_linear1, (VipsImage *, VipsImage **, double, double, ...))                                               \
  f(int, vips_cast_ushort, (VipsImage *, VipsImage **, ...))                                                           \
  f(int, vips_min, (VipsImage *, double *, ...))                                                                       \
  f(int, vips_max, (VipsImage *, double *, ...))                                                                       \
  f(void *, vips_image_write_to_memory, (VipsImage *, size_t *))                                                       \
  f(void, vips_image_set_int, (VipsImage *, const char *, int))                                                        \
  f(void, vips_image_set_array_int, (VipsImage *, const char *, const int *, int))                                     \
  f(VipsArrayDouble *, vips_array_double_newv, (int, ...))                                                             \
  f(int, vips_flatten, (VipsImage *, VipsImage **, ...))                                                               \
  f(void, vips_area_unref, (void *))                                                                                   \
  f(const char *, vips_foreign_find_save_target, (const char *))                                                       \
  f(VipsTarget *, vips_target_new_to_memory, (void))                                                                   \
  f(int, vips_image_write_to_target, (VipsImage *, const char *, VipsTarget *, ...))                                   \
  f(const void *, vips_blob_get, (VipsBlob *, size_t *))                                                               \
  f(GType, vips_array_int_get_type, (void))                                                                            \
  f(unsigned, g_log_set_handler,                                                                                       \
    (const char *, int, void (*)(const char *, int, const char *, void *), void *))                                    \
  f(void, g_object_unref, (void *))                                                                                    \
  f(void, g_object_get, (void *, const char *, ...))                                                                   \
  f(void, g_free, (void *))                                                                                            \
  f(void *, g_try_malloc, (size_t))

typedef struct libvips_functions {
#define DECLARE(result, name, arguments) result(*name) arguments;
  EACH_LIBVIPS_FUNCTION(DECLARE)
#undef DECLARE
} libvips_functions;

extern libvips_functions libvips;

/// Finds the functions; once a process, before any is called. False where there is no libvips.
bool libvips_open(void);

/// Why there is no libvips; null where there is.
const char *libvips_missing(void);

#endif
