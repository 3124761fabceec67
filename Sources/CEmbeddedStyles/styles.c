// The files that script/train-styles made.

#include "CEmbeddedStyles.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char styles[] = {
#embed "styles.safetensors"
};
const struct embedded_file embedded_styles = {"the styles of the package", styles, sizeof styles};

static const unsigned char swirls[] = {
#embed "thumbnails/swirls.jpg"
};
static const unsigned char glass[] = {
#embed "thumbnails/glass.jpg"
};
static const unsigned char hatching[] = {
#embed "thumbnails/hatching.jpg"
};
static const unsigned char waves[] = {
#embed "thumbnails/waves.jpg"
};
static const unsigned char mosaic[] = {
#embed "thumbnails/mosaic.jpg"
};
static const unsigned char facets[] = {
#embed "thumbnails/facets.jpg"
};

#define THUMBNAIL(style) {#style, style, sizeof style}
static const struct embedded_file thumbnails[] = {
    THUMBNAIL(swirls), THUMBNAIL(glass), THUMBNAIL(hatching), THUMBNAIL(waves), THUMBNAIL(mosaic), THUMBNAIL(facets),
};

const struct embedded_file *embedded_thumbnail(size_t number) {
  return number < sizeof thumbnails / sizeof thumbnails[0] ? &thumbnails[number] : NULL;
}
