#include "CVipsShims.h"

#include "LibVips.h"

#include <stdlib.h>
#include <string.h>

static VipsImage *vips(const shim_image *image) { return (VipsImage *)image; }

static shim_image *made(int failed, VipsImage *image) { return failed ? NULL : (shim_image *)image; }

static void ignore(const char *domain, int level, const char *message, void *data) {}

bool shim_start(void) {
  if (!libvips_open()) return false;
  // What goes wrong is returned as an error; libvips would print it as well.
  libvips.g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, ignore, NULL);
  if (libvips.vips_init("instnorm") != 0) return false;
  // Results of earlier calls would be found by file name, even when the file has changed since.
  libvips.vips_cache_set_max(0);
  return true;
}

char *shim_error(void) {
  const char *missing = libvips_missing();
  return missing ? strdup(missing) : libvips.vips_error_buffer_copy();
}

void shim_image_release(shim_image *image) {
  if (image) libvips.g_object_unref(image);
}

void shim_free(void *memory) {
  if (libvips_missing()) free(memory);
  else libvips.g_free(memory);
}

bool shim_has(const char *operation) { return libvips.vips_type_find("VipsOperation", operation) != 0; }

shim_image *shim_image_open(const char *loader, const char *path, bool has_pages, int page, int count, int shrink) {
  VipsImage *result = NULL;
  const size_t length = strlen(loader), ending = strlen("_source");
  if (length < ending || strcmp(loader + length - ending, "_source") != 0)
    return made(libvips.vips_call(loader, path, &result, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL), result);
  VipsSource *source = libvips.vips_source_new_from_file(path);
  if (!source) return NULL;
  int failed =
      has_pages ? libvips.vips_call(loader, source, &result, "fail_on", VIPS_FAIL_ON_TRUNCATED, "page", page, "n", count, NULL)
      : shrink > 1
          ? libvips.vips_call(loader, source, &result, "fail_on", VIPS_FAIL_ON_TRUNCATED, "shrink", shrink, NULL)
          : libvips.vips_call(loader, source, &result, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
  libvips.g_object_unref(source);
  return made(failed, result);
}

shim_image *shim_image_draw_svg(const void *bytes, size_t byte_count, double scale) {
  VipsImage *result = NULL;
  return made(libvips.vips_svgload_buffer((void *)bytes, byte_count, &result, "scale", scale, NULL), result);
}

int shim_image_width(const shim_image *image) { return libvips.vips_image_get_width(vips(image)); }
int shim_image_height(const shim_image *image) { return libvips.vips_image_get_height(vips(image)); }
int shim_image_bands(const shim_image *image) { return libvips.vips_image_get_bands(vips(image)); }
int shim_image_pages(shim_image *image) { return libvips.vips_image_get_n_pages(vips(image)); }

bool shim_image_has_profile(shim_image *image) {
  return libvips.vips_image_get_typeof(vips(image), VIPS_META_ICC_NAME) != 0;
}

int shim_image_number(shim_image *image, const char *name, int otherwise) {
  int number = otherwise;
  if (libvips.vips_image_get_typeof(vips(image), name) == G_TYPE_INT) libvips.vips_image_get_int(vips(image), name, &number);
  return number;
}

const int *shim_image_numbers(shim_image *image, const char *name, int *count) {
  int *numbers = NULL;
  if (libvips.vips_image_get_typeof(vips(image), name) != libvips.vips_array_int_get_type()) return NULL;
  return libvips.vips_image_get_array_int(vips(image), name, &numbers, count) == 0 ? numbers : NULL;
}

shim_values shim_image_values(const shim_image *image) {
  if (libvips.vips_image_get_coding(vips(image)) != VIPS_CODING_NONE) return shim_other_values;
  switch (libvips.vips_image_get_format(vips(image))) {
  case VIPS_FORMAT_UCHAR: return shim_uint8;
  case VIPS_FORMAT_CHAR: return shim_int8;
  case VIPS_FORMAT_USHORT: return shim_uint16;
  case VIPS_FORMAT_SHORT: return shim_int16;
  case VIPS_FORMAT_UINT: return shim_uint32;
  case VIPS_FORMAT_INT: return shim_int32;
  case VIPS_FORMAT_FLOAT: return shim_float;
  case VIPS_FORMAT_DOUBLE: return shim_double;
  default: return shim_other_values;
  }
}

shim_meaning shim_image_meaning(const shim_image *image) {
  switch (libvips.vips_image_guess_interpretation(vips(image))) {
  case VIPS_INTERPRETATION_B_W:
  case VIPS_INTERPRETATION_GREY16:
    return shim_grey;
  case VIPS_INTERPRETATION_sRGB:
  case VIPS_INTERPRETATION_RGB:
  case VIPS_INTERPRETATION_RGB16:
    return shim_rgb;
  case VIPS_INTERPRETATION_scRGB:
    return shim_linear_rgb;
  case VIPS_INTERPRETATION_CMYK:
    return shim_cmyk;
  case VIPS_INTERPRETATION_LAB:
  case VIPS_INTERPRETATION_LABQ:
  case VIPS_INTERPRETATION_LABS:
  case VIPS_INTERPRETATION_LCH:
  case VIPS_INTERPRETATION_CMC:
  case VIPS_INTERPRETATION_XYZ:
  case VIPS_INTERPRETATION_YXY:
  case VIPS_INTERPRETATION_HSV:
    return shim_other_space;
  default:
    return shim_any_bands;
  }
}

double shim_alpha_of_light(void) {
  // A colour of 1 divided by an alpha of 1.
  const float ones[] = {1, 1, 1, 1};
  double alpha = 1, *color = NULL;
  int count;
  VipsImage *plain = libvips.vips_image_new_from_memory_copy(ones, sizeof ones, 1, 1, 4, VIPS_FORMAT_FLOAT);
  VipsImage *light = NULL, *divided = NULL;
  if (plain && libvips.vips_copy(plain, &light, "interpretation", VIPS_INTERPRETATION_scRGB, NULL) == 0 &&
      libvips.vips_unpremultiply(light, &divided, NULL) == 0 && libvips.vips_getpoint(divided, &color, &count, 0, 0, NULL) == 0)
    alpha = color[0];
  libvips.g_free(color);
  if (divided) libvips.g_object_unref(divided);
  if (light) libvips.g_object_unref(light);
  if (plain) libvips.g_object_unref(plain);
  return alpha;
}

shim_image *shim_image_upright(shim_image *image) {
  VipsImage *result = NULL;
  return made(libvips.vips_autorot(vips(image), &result, NULL), result);
}

shim_image *shim_image_bands_from(shim_image *image, int first, int count) {
  VipsImage *result = NULL;
  return made(libvips.vips_extract_band(vips(image), &result, first, "n", count, NULL), result);
}

shim_image *shim_image_in_memory(shim_image *image) {
  return (shim_image *)libvips.vips_image_copy_memory(vips(image));
}

shim_image *shim_image_from_profile(shim_image *image, int depth) {
  VipsImage *result = NULL;
  return made(libvips.vips_icc_transform(vips(image), &result, "srgb", "embedded", true, "depth", depth, NULL), result);
}

static shim_image *to_space(shim_image *image, VipsInterpretation space) {
  VipsImage *result = NULL;
  return made(libvips.vips_colourspace(vips(image), &result, space, NULL), result);
}

shim_image *shim_image_to_srgb(shim_image *image, bool wide) {
  return to_space(image, wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
}

shim_image *shim_image_to_grey(shim_image *image, bool wide) {
  return to_space(image, wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W);
}

shim_image *shim_image_to_linear(shim_image *image) { return to_space(image, VIPS_INTERPRETATION_scRGB); }

shim_image *shim_image_to_16_bit(shim_image *image, double factor) {
  VipsImage *scaled = NULL, *whole = NULL, *result = NULL;
  int failed = libvips.vips_linear1(vips(image), &scaled, factor, 0.5, NULL) || libvips.vips_cast_ushort(scaled, &whole, NULL) ||
               libvips.vips_copy(whole, &result, "interpretation",
                         libvips.vips_image_get_bands(vips(image)) < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16,
                         NULL);
  if (scaled) libvips.g_object_unref(scaled);
  if (whole) libvips.g_object_unref(whole);
  return made(failed, result);
}

bool shim_image_range(shim_image *image, double *least, double *largest) {
  return libvips.vips_min(vips(image), least, NULL) == 0 && libvips.vips_max(vips(image), largest, NULL) == 0;
}

void *shim_image_pixels(shim_image *image, size_t *byte_count) {
  return libvips.vips_image_write_to_memory(vips(image), byte_count);
}

shim_image *shim_image_make(const void *pixels, size_t byte_count, int width, int height, int bands, bool wide) {
  VipsImage *plain = libvips.vips_image_new_from_memory_copy(pixels, byte_count, width, height, bands,
                                                     wide ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
  if (!plain) return NULL;
  VipsInterpretation meaning = bands >= 3 ? (wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB)
                                          : (wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W);
  VipsImage *result = NULL;
  int failed = libvips.vips_copy(plain, &result, "interpretation", meaning, NULL);
  libvips.g_object_unref(plain);
  return made(failed, result);
}

void shim_image_set_pages(shim_image *image, int page_height, const int *delays, int count, int loop) {
  libvips.vips_image_set_int(vips(image), VIPS_META_PAGE_HEIGHT, page_height);
  if (delays) libvips.vips_image_set_array_int(vips(image), "delay", delays, count);
  libvips.vips_image_set_int(vips(image), "loop", loop);
}

shim_image *shim_image_flatten(shim_image *image, bool wide) {
  double white = wide ? 65535 : 255;
  VipsArrayDouble *background = libvips.vips_array_double_newv(1, white);
  VipsImage *result = NULL;
  int failed = libvips.vips_flatten(vips(image), &result, "background", background, "max_alpha", white, NULL);
  libvips.vips_area_unref(background);
  return made(failed, result);
}

bool shim_can_write(const char *suffix) {
  bool found = libvips.vips_foreign_find_save_target(suffix) != NULL;
  libvips.vips_error_clear();
  return found;
}

void *shim_image_encode(shim_image *image, const char *suffix, size_t *byte_count) {
  void *bytes = NULL;
  VipsTarget *target = libvips.vips_target_new_to_memory();
  if (!target) return NULL;
  // To a target alone: ImageMagick, which must not run, writes to buffers.
  if (libvips.vips_image_write_to_target(vips(image), suffix, target, NULL) == 0) {
    VipsBlob *blob = NULL;
    libvips.g_object_get(target, "blob", &blob, NULL);
    const void *data = libvips.vips_blob_get(blob, byte_count);
    bytes = libvips.g_try_malloc(*byte_count);
    if (bytes) memcpy(bytes, data, *byte_count);
    else libvips.vips_error("instnorm", "out of memory");
    libvips.vips_area_unref(blob);
  }
  libvips.g_object_unref(target);
  return bytes;
}
