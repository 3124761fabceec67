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

/// Whether libvips was built with an operation ("svgload_buffer").
bool shim_has(const char *operation);

/// Opens a file with the loader of this name and no other. A loader whose name ends in "_source" reads through a file
/// that is opened here. Of a format that `has_pages`, `count` pages (-1 for all) from `page` on are read, one below the
/// other. JPEG's is read at an 8th, 4th or half of its size where `shrink` is 8, 4 or 2; 1 is for all others. NULL with
/// shim_error() set when it cannot.
shim_image *shim_image_open(const char *loader, const char *path, bool has_pages, int page, int count, int shrink);

/// Draws SVG, `scale` pixels for each of its own. The bytes have to stay until the image is released. NULL with
/// shim_error() set when it cannot.
shim_image *shim_image_draw_svg(const void *bytes, size_t byte_count, double scale);

int shim_image_width(const shim_image *image);
int shim_image_height(const shim_image *image);
int shim_image_bands(const shim_image *image);
/// The pages that there are in the file.
int shim_image_pages(shim_image *image);
bool shim_image_has_profile(shim_image *image);
/// A whole number that the file came with, or `otherwise`.
int shim_image_number(shim_image *image, const char *name, int otherwise);
/// Whole numbers that the file came with, which stay the image's. NULL where there are none.
const int *shim_image_numbers(shim_image *image, const char *name, int *count);

/// What libvips takes for opaque beside linear light: 255, or 1 in later versions.
double shim_alpha_of_light(void);

/// What the values are in memory.
typedef enum {
  shim_uint8, shim_int8, shim_uint16, shim_int16, shim_uint32, shim_int32, shim_float, shim_double, shim_other_values
} shim_values;
shim_values shim_image_values(const shim_image *image);

/// What the bands mean, alpha aside: grey values; red, green, blue; the same in linear light; the four inks; a space
/// that shim_image_to_linear converts; bands that mean nothing in particular.
typedef enum { shim_grey, shim_rgb, shim_linear_rgb, shim_cmyk, shim_other_space, shim_any_bands } shim_meaning;
shim_meaning shim_image_meaning(const shim_image *image);

// Each returns a new image, or NULL with shim_error() set.
shim_image *shim_image_upright(shim_image *image);
/// `count` bands from `first` on.
shim_image *shim_image_bands_from(shim_image *image, int first, int count);
/// Decoded, in memory.
shim_image *shim_image_in_memory(shim_image *image);
/// In sRGB, from the embedded profile; 8 or 16 bits.
shim_image *shim_image_from_profile(shim_image *image, int depth);
shim_image *shim_image_to_srgb(shim_image *image, bool wide);
shim_image *shim_image_to_grey(shim_image *image, bool wide);
/// Floating-point red, green, blue in linear light, not clipped.
shim_image *shim_image_to_linear(shim_image *image);
/// value * factor, rounded to 16 bits and clipped.
shim_image *shim_image_to_16_bit(shim_image *image, double factor);
/// The least and the largest value of all bands.
bool shim_image_range(shim_image *image, double *least, double *largest);

/// The pixels, row by row, bands together. Release with shim_free. NULL with shim_error() set when decoding fails.
void *shim_image_pixels(shim_image *image, size_t *byte_count);

/// An image of pixels as shim_image_pixels gives them; copies them.
shim_image *shim_image_make(const void *pixels, size_t byte_count, int width, int height, int bands, bool wide);

/// Says that an image, of which nobody else has a reference, is pages of this height one below the other. Each is shown
/// for some milliseconds, all `loop` times (0: for ever); `delays` may be NULL.
void shim_image_set_pages(shim_image *image, int page_height, const int *delays, int count, int loop);

/// Puts transparent pixels on white and drops the transparency.
shim_image *shim_image_flatten(shim_image *image, bool wide);

/// Whether there is a writer for files that end this way (".png").
bool shim_can_write(const char *suffix);

/// The file's bytes in the format that a suffix stands for. Release with shim_free. NULL with shim_error() set when it
/// fails.
void *shim_image_encode(shim_image *image, const char *suffix, size_t *byte_count);

#endif
