#ifndef CVIPS_SHIMS_H
#define CVIPS_SHIMS_H

#include <stdbool.h>
#include <stddef.h>

/// An image of libvips. Every function that returns one gives a reference to be released with shim_image_release.
typedef struct shim_image shim_image;

/// Starts libvips; once a process, before anything else. False with shim_error() set when it fails.
bool shim_start(void);

/// What went wrong last, and forgets it. Release with shim_free.
char *shim_error(void);

void shim_image_release(shim_image *image);
void shim_free(void *memory);

/// Opens a file of any format that libvips reads. NULL with shim_error() set when it cannot.
shim_image *shim_image_open(const char *path);

/// Whether libvips was built to draw SVG.
bool shim_can_draw_svg(void);

/// Draws SVG, `scale` pixels for each of its own. The bytes have to stay until the image is released. NULL with
/// shim_error() set when it cannot.
shim_image *shim_image_draw_svg(const void *bytes, size_t byte_count, double scale);

int shim_image_width(const shim_image *image);
int shim_image_height(const shim_image *image);
int shim_image_bands(const shim_image *image);
bool shim_image_has_alpha(shim_image *image);
bool shim_image_has_profile(shim_image *image);
/// Whether colours are grey values (one band of them).
bool shim_image_is_grey(shim_image *image);
/// Whether colours are sRGB or grey values, which need no conversion.
bool shim_image_is_plain(shim_image *image);

/// What the values are in memory.
typedef enum { shim_values_8_bit, shim_values_16_bit, shim_values_float, shim_values_other } shim_values;
shim_values shim_image_values(const shim_image *image);

// Each returns a new image, or NULL with shim_error() set.
shim_image *shim_image_upright(shim_image *image);
shim_image *shim_image_from_profile(shim_image *image, int depth);
shim_image *shim_image_to_srgb(shim_image *image, bool wide);
shim_image *shim_image_to_grey(shim_image *image, bool wide);
shim_image *shim_image_to_floats(shim_image *image);

/// The pixels, row by row, bands together. Release with shim_free. NULL with shim_error() set when decoding fails.
void *shim_image_pixels(shim_image *image, size_t *byte_count);

/// An image of pixels as shim_image_pixels gives them; copies them.
shim_image *shim_image_make(const void *pixels, size_t byte_count, int width, int height, int bands, bool wide);

/// Puts transparent pixels on white and drops the transparency.
shim_image *shim_image_flatten(shim_image *image, bool wide);

/// Whether there is a writer for files that end this way (".png").
bool shim_can_write(const char *suffix);

/// The file's bytes in the format that a suffix stands for. Release with shim_free. NULL with shim_error() set when it
/// fails.
void *shim_image_encode(shim_image *image, const char *suffix, size_t *byte_count);

#endif
