// Values of pictures (N, C, H, W).

INLINE long picture_index(PASSED(PictureSteps) steps, long image, long map, long row, long column) {
  return steps.offset + image * steps.image + map * steps.map + row * steps.row + column * steps.column;
}
