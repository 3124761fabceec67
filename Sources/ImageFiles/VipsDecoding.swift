import ArrayFiles
import CVipsShims

/// Pictures from libvips, whose values, bands and colours come in any form, as rasters, which have one.
struct VipsDecoding {
  private let file: FileReader
  private let format: PictureFormat
  private let clues: FileClues

  /// - Throws: ``FileError``, and `VipsError` for what libvips refuses.
  static func read(_ file: FileReader, _ format: PictureFormat, _ request: ReadingRequest) throws -> [Raster] {
    guard let loader = format.loader else { return [] }
    let decoding = VipsDecoding(file: file, format: format, clues: try FileClues(file, format))
    func open(_ first: Int, _ count: Int?) throws -> VipsImage {
      try VipsImage.open(file.path, with: loader, pages: format.pages == .none ? nil : (first, count))
    }
    if let size = decoding.clues.size { try decoding.check(size.width, size.height, request) }
    if format == .tiff { try decoding.check(TIFFDirectory(file, page: 0), request) }
    // Only the header, until pixels are asked for.
    let header = try open(0, 1)
    let count = format.pages == .none ? 1 : max(1, Int(shim_image_pages(header.handle)))
    let pages = try request.pages(of: count, path: file.path)
    try request.check(header.width, header.height, pictures: pages.count, path: file.path)

    if format == .jpeg {
      let isTurned = shim_image_number(header.handle, "orientation", 1) > 4
      let shrink =
        isTurned ? request.shrink(of: header.height, header.width) : request.shrink(of: header.width, header.height)
      if shrink > 1 { return [try decoding.raster(VipsImage.open(file.path, with: loader, shrink: shrink))] }
    }
    if format.pages == .frames {
      try decoding.check(header.width, header.height * pages.count, request)
      let image = pages.count == 1 && pages.lowerBound == 0 ? header : try open(pages.lowerBound, pages.count)
      return [try decoding.raster(image, pictures: pages.count)]
    }
    // Each page is looked for from the first one on.
    guard pages.count <= 4096 else {
      throw decoding.unsupported("\(pages.count) pages; 4096 are read together at most, or one that is asked for")
    }
    var (rasters, pixels) = ([Raster](), 0)
    for page in pages {
      if format == .tiff, page > 0 { try decoding.check(TIFFDirectory(file, page: page), request) }
      let image = page == 0 ? header : try open(page, 1)
      try request.check(image.width, image.height, path: file.path)
      pixels += image.width * image.height
      try request.check(pixels, 1, path: file.path)
      let raster = try decoding.raster(image, page: page)
      if let first = rasters.first, first.form != raster.form {
        // HEIF names the picture that stands for all.
        let main = Int(shim_image_number(header.handle, "heif-primary", 0))
        rasters = main == 0 ? [first] : [try decoding.raster(open(main, 1), page: main)]
        rasters[0].notes.append(
          "of its \(count) pages page \(main) alone is read, since they differ: page 0 is \(first.form), page \(page) "
            + raster.form)
        break
      }
      rasters.append(raster)
    }
    return rasters
  }

  /// Refuses what libvips would take for one pixel: a side that is too long for it.
  private func check(_ width: Int, _ height: Int, _ request: ReadingRequest) throws {
    try request.check(width, height, path: file.path)
    guard max(width, height) <= VipsImage.longestSide else {
      throw unsupported("\(width) x \(height) pixels; a side has \(VipsImage.longestSide) at most")
    }
  }

  private func check(_ directory: TIFFDirectory, _ request: ReadingRequest) throws {
    try check(directory.width, directory.height, request)
    try directory.check(path: file.path)
  }

  private func unsupported(_ reason: String) -> FileError { .unsupported(path: file.path, reason: reason) }

  /// - Parameters:
  ///   - pictures: how many there are, one below the other.
  ///   - page: which page it is.
  private func raster(_ opened: VipsImage, pictures: Int = 1, page: Int = 0) throws -> Raster {
    let image = pictures == 1 ? try opened.applying(shim_image_upright) : opened
    let meaning = shim_image_meaning(image.handle)
    let colorBands =
      switch meaning {
      case shim_grey: 1
      case shim_cmyk: 4
      case shim_any_bands: image.bands < 3 ? 1 : 3
      default: 3
      }
    // Lab of 8 bits is packed, which libvips calls four bands.
    let isPacked = shim_image_values(image.handle) == shim_other_values
    let extra = isPacked ? 0 : image.bands - colorBands
    guard extra == 0 || extra == 1 else {
      throw unsupported(
        "\(image.bands) bands; grey, three colours or four inks are read, with one band of transparency or without")
    }
    var notes = clues.notes
    let directory = format == .tiff ? try TIFFDirectory(file, page: page) : nil
    if extra == 1, directory?.hasBandOfAnyKind == true {
      notes.append("its last band, which could be of any kind, is taken as transparency")
    }

    var raster: Raster
    if shim_image_has_profile(image.handle) || meaning == shim_cmyk || meaning == shim_other_space {
      if directory?.isPremultiplied == true, shim_image_values(image.handle) == shim_float {
        throw unsupported("floating-point colours that are multiplied by alpha, and need a conversion")
      }
      // Colours are converted without their alpha, whose size libvips would have to guess.
      let decoded = try image.applying(shim_image_in_memory)
      raster = try converted(
        extra == 0 ? decoded : try decoded.applying { shim_image_bands_from($0, 0, Int32(colorBands)) }, meaning, &notes
      )
      if extra == 1 {
        raster.alpha = try samples(decoded.applying { shim_image_bands_from($0, Int32(colorBands), 1) }, isAlpha: true)
      }
    } else {
      let colors = try samples(image)
      raster = Raster(
        width: image.width, height: image.height, channels: colorBands, colors: colors,
        isLinear: meaning == shim_linear_rgb, isDeep: colors.kind != .uint8)
      if extra == 1 { raster.alpha = try samples(image, in: colors.memory, isAlpha: true).from(colorBands) }
    }
    if directory?.isPremultiplied == true, raster.colors.kind == .float {
      // libvips has divided by alpha already, whose largest it takes to be its own.
      raster.colors = Samples(raster.colors.memory, .float, bands: raster.colors.bands, one: VipsImage.alphaOfLight)
    }
    if format == .exr {
      // libvips adds alpha where there is none.
      if clues.isWithoutAlpha { raster.alpha = nil } else { raster.isPremultiplied = true }
    }
    raster.notes = notes
    raster.height /= pictures
    raster.pictures = pictures
    raster.timing = timing(of: opened, pictures: pictures)
    return raster
  }

  /// - Parameters:
  ///   - memory: its pixels, where they have been decoded already.
  ///   - isAlpha: whether its alpha is meant.
  private func samples(_ image: VipsImage, in memory: PixelMemory? = nil, isAlpha: Bool = false) throws -> Samples {
    let kind = try self.kind(of: image)
    var one = whole(image, kind)
    if isAlpha, format == .exr { one = VipsImage.alphaOfLight }
    return Samples(try memory ?? image.pixels(), kind, bands: image.bands, one: one)
  }

  private func kind(of image: VipsImage) throws -> Samples.Kind {
    switch shim_image_values(image.handle) {
    case shim_uint8: .uint8
    case shim_int8: .int8
    case shim_uint16: .uint16
    case shim_int16: .int16
    case shim_uint32: .uint32
    case shim_int32: .int32
    case shim_float: .float
    case shim_double: .double
    default: throw unsupported("its values are neither integers nor floating point")
    }
  }

  /// What stands for 1 in an image as it was decoded. libvips shifts 10 bits, say, to the top of 16.
  private func whole(_ image: VipsImage, _ kind: Samples.Kind) -> Double {
    guard kind == .uint8 || kind == .uint16 else { return kind.one }
    var bits = clues.shiftedBits ?? kind.byteCount * 8
    if format == .heif {
      bits = Int(shim_image_number(image.handle, "heif-bitdepth", Int32(bits)))
      bits = Int(shim_image_number(image.handle, "bits-per-sample", Int32(bits)))
    }
    let room = kind.byteCount * 8
    return (1..<room).contains(bits) ? Double((1 << bits - 1) << (room - bits)) : kind.one
  }

  /// Colours in sRGB or linear light, of an image without alpha that has a profile or is in another space.
  private func converted(_ image: VipsImage, _ meaning: shim_meaning, _ notes: inout [String]) throws -> Raster {
    func raster(_ image: VipsImage, one: Double? = nil, isLinear: Bool = false, isDeep: Bool) throws -> Raster {
      let samples = Samples(try image.pixels(), try self.kind(of: image), bands: image.bands, one: one)
      return Raster(
        width: image.width, height: image.height, channels: image.bands, colors: samples, isLinear: isLinear,
        isDeep: isDeep)
    }
    if meaning == shim_other_space, !shim_image_has_profile(image.handle) {
      return try raster(image.applying(shim_image_to_linear), isLinear: true, isDeep: true)
    }
    let kind = try self.kind(of: image)
    let (isDeep, one) = (kind != .uint8, whole(image, kind))
    if shim_image_has_profile(image.handle) {
      do {
        var clipping: [String] = []
        var color = try convertible(image, kind, one, &clipping)
        color = try color.applying { shim_image_from_profile($0, isDeep ? 16 : 8) }
        if meaning == shim_grey { color = try color.applying { shim_image_to_grey($0, isDeep) } }
        let result = try raster(color, isDeep: isDeep)
        notes += clipping
        return result
      } catch is VipsError {
        notes.append("its colour profile, which is damaged or for other values, is left out")
      }
    }
    switch meaning {
    case shim_cmyk:
      guard kind == .uint8 || kind == .uint16 else { throw unsupported("inks that are not integers of 8 or 16 bits") }
      notes.append("inks without a colour profile are converted by one of libvips'")
      return try raster(image.applying { shim_image_to_srgb($0, isDeep) }, isDeep: isDeep)
    case shim_other_space:
      return try raster(image.applying(shim_image_to_linear), isLinear: true, isDeep: true)
    default:
      return try raster(image, one: one, isLinear: meaning == shim_linear_rgb, isDeep: isDeep)
    }
  }

  /// An image as profiles need it: of 8 or 16 bits that are used to the full.
  private func convertible(
    _ image: VipsImage, _ kind: Samples.Kind, _ one: Double, _ notes: inout [String]
  ) throws -> VipsImage {
    switch kind {
    case .uint8 where one == 255: return image
    case .int8, .int16, .int32: throw unsupported("signed integers with a colour profile")
    case .float, .double:
      let range = try image.range()
      if range.lowerBound < 0 || range.upperBound > 1 {
        notes.append(
          "its values, \(Float(range.lowerBound)) to \(Float(range.upperBound)), are clipped to 0...1, which its colour "
            + "profile is for")
      }
    default: break
    }
    return try image.applying { shim_image_to_16_bit($0, 65535 / one) }
  }

  private func timing(of image: VipsImage, pictures: Int) -> Picture.Timing? {
    var count: Int32 = 0
    guard pictures > 1, let delays = shim_image_numbers(image.handle, "delay", &count), count > 0 else { return nil }
    let all = (0..<pictures).map { Int(delays[min($0, Int(count) - 1)]) }
    return Picture.Timing(delays: all, repeats: Int(shim_image_number(image.handle, "loop", 0)))
  }
}
