#pragma once

#include <stddef.h>

/// Bytes of a file that is a part of the program.
struct embedded_file {
  /// What it is called; a style's name for a thumbnail.
  const char *_Nonnull name;
  const unsigned char *_Nonnull bytes;
  size_t count;
};

/// The network with all styles: a .safetensors file.
extern const struct embedded_file embedded_styles;

/// A picture painted in the style of a number, as JPEG; NULL where there is no such style.
const struct embedded_file *_Nullable embedded_thumbnail(size_t number);
