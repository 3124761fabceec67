import ImageFiles

typealias Picture = ImageFiles.Picture
typealias DrawingError = ImageFiles.DrawingError

extension Picture {
  static let help = """
    All others are pictures: PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, HDR, and HEIF, AVIF, JPEG XL, JPEG 2000 and EXR \
    where libvips has them. They are read as (N, 3, H, W) in colour and (N, 1, H, W) in grey, values 0 to 1; N is more \
    than 1 for pages and animations, which GIF, WebP and TIFF are written as.
    """
}
