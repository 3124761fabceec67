#include "CVipsShims.h"

#include <string.h>
#include <vips/vips.h>

static VipsImage *vips(const shim_image *image) { return (VipsImage *)image; }

static shim_image *made(int failed, VipsImage *image) { return failed ? NULL : (shim_image *)image; }

static void ignore(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {}

bool shim_start(void) {
  // What goes wrong is returned as an error; libvips would print it as well.
  g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, ignore, NULL);
  if (vips_init("instnorm") != 0) return false;
  // Results of earlier calls would be found by file name, even when the file has changed since.
  vips_cache_set_max(0);
  return true;
}

char *shim_error(void) { return vips_error_buffer_copy(); }

void shim_image_release(shim_image *image) {
  if (image) g_object_unref(image);
}

void shim_free(void *memory) { g_free(memory); }

shim_image *shim_image_open(const char *path) {
  // By way of a source: a plain file name would have its brackets read as options ("scan[1].png").
  VipsSource *source = vips_source_new_from_file(path);
  if (!source) return NULL;
  VipsImage *image = vips_image_new_from_source(source, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
  g_object_unref(source);
  return (shim_image *)image;
}

bool shim_can_draw_svg(void) { return vips_type_find("VipsOperation", "svgload_buffer") != 0; }

shim_image *shim_image_draw_svg(const void *bytes, size_t byte_count, double scale) {
  VipsImage *result = NULL;
  return made(vips_svgload_buffer((void *)bytes, byte_count, &result, "scale", scale, NULL), result);
}

int shim_image_width(const shim_image *image) { return vips_image_get_width(vips(image)); }
int shim_image_height(const shim_image *image) { return vips_image_get_height(vips(image)); }
int shim_image_bands(const shim_image *image) { return vips_image_get_bands(vips(image)); }
bool shim_image_has_alpha(shim_image *image) { return vips_image_hasalpha(vips(image)); }

bool shim_image_has_profile(shim_image *image) {
  return vips_image_get_typeof(vips(image), VIPS_META_ICC_NAME) != 0;
}

shim_values shim_image_values(const shim_image *image) {
  switch (vips_image_get_format(vips(image))) {
  case VIPS_FORMAT_UCHAR: return shim_values_8_bit;
  case VIPS_FORMAT_USHORT: return shim_values_16_bit;
  case VIPS_FORMAT_FLOAT:
  case VIPS_FORMAT_DOUBLE: return shim_values_float;
  default: return shim_values_other;
  }
}

bool shim_image_is_grey(shim_image *image) {
  return vips_image_get_bands(vips(image)) - vips_image_hasalpha(vips(image)) < 3;
}

bool shim_image_is_plain(shim_image *image) {
  switch (vips_image_guess_interpretation(vips(image))) {
  case VIPS_INTERPRETATION_sRGB:
  case VIPS_INTERPRETATION_RGB:
  case VIPS_INTERPRETATION_RGB16:
  case VIPS_INTERPRETATION_B_W:
  case VIPS_INTERPRETATION_GREY16:
  case VIPS_INTERPRETATION_MULTIBAND:
    return true;
  default:
    return false;
  }
}

shim_image *shim_image_upright(shim_image *image) {
  VipsImage *result = NULL;
  return made(vips_autorot(vips(image), &result, NULL), result);
}

shim_image *shim_image_from_profile(shim_image *image, int depth) {
  VipsImage *result = NULL;
  return made(vips_icc_transform(vips(image), &result, "srgb", "embedded", TRUE, "depth", depth, NULL), result);
}

static shim_image *to_space(shim_image *image, VipsInterpretation space) {
  VipsImage *result = NULL;
  return made(vips_colourspace(vips(image), &result, space, NULL), result);
}

shim_image *shim_image_to_srgb(shim_image *image, bool wide) {
  return to_space(image, wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
}

shim_image *shim_image_to_grey(shim_image *image, bool wide) {
  return to_space(image, wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W);
}

shim_image *shim_image_to_floats(shim_image *image) {
  VipsImage *result = NULL;
  return made(vips_cast(vips(image), &result, VIPS_FORMAT_FLOAT, NULL), result);
}

void *shim_image_pixels(shim_image *image, size_t *byte_count) {
  return vips_image_write_to_memory(vips(image), byte_count);
}

shim_image *shim_image_make(const void *pixels, size_t byte_count, int width, int height, int bands, bool wide) {
  VipsImage *plain = vips_image_new_from_memory_copy(pixels, byte_count, width, height, bands,
                                                     wide ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
  if (!plain) return NULL;
  VipsInterpretation meaning = bands >= 3 ? (wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB)
                                          : (wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W);
  VipsImage *result = NULL;
  int failed = vips_copy(plain, &result, "interpretation", meaning, NULL);
  g_object_unref(plain);
  return made(failed, result);
}

shim_image *shim_image_flatten(shim_image *image, bool wide) {
  double white = wide ? 65535 : 255;
  VipsArrayDouble *background = vips_array_double_newv(1, white);
  VipsImage *result = NULL;
  int failed = vips_flatten(vips(image), &result, "background", background, "max_alpha", white, NULL);
  vips_area_unref(VIPS_AREA(background));
  return made(failed, result);
}

bool shim_can_write(const char *suffix) {
  bool found = vips_foreign_find_save_target(suffix) || vips_foreign_find_save_buffer(suffix);
  vips_error_clear();
  return found;
}

void *shim_image_encode(shim_image *image, const char *suffix, size_t *byte_count) {
  void *bytes = NULL;
  // Some formats have a writer to targets alone (PPM), some to buffers alone (those that ImageMagick writes).
  if (!vips_foreign_find_save_target(suffix)) {
    vips_error_clear();
    return vips_image_write_to_buffer(vips(image), suffix, &bytes, byte_count, NULL) ? NULL : bytes;
  }
  VipsTarget *target = vips_target_new_to_memory();
  if (!target) return NULL;
  if (vips_image_write_to_target(vips(image), suffix, target, NULL) == 0) {
    VipsBlob *blob = NULL;
    g_object_get(target, "blob", &blob, NULL);
    const void *data = vips_blob_get(blob, byte_count);
    bytes = g_try_malloc(*byte_count);
    if (bytes) memcpy(bytes, data, *byte_count);
    else vips_error("instnorm", "out of memory");
    vips_area_unref(VIPS_AREA(blob));
  }
  g_object_unref(target);
  return bytes;
}
