import ArrayFiles

/// What a caller asks of a file: how large it may be, and what to read of it.
struct ReadingRequest {
  let maxPixels: Int
  /// The picture to read of several, counted from 0; nil for all.
  let page: Int?
  /// The height and width below which the picture must not come, where it may come smaller than it is.
  let covering: (height: Int, width: Int)?

  init(maxPixels: Int, page: Int?, covering: (height: Int, width: Int)? = nil) {
    // So that numbers of bytes do not overflow, whatever the caller allows.
    self.maxPixels = min(maxPixels, 1 << 48)
    self.page = page
    self.covering = covering
  }

  /// How many times smaller a decoder that can do so is to make an upright picture: 1, 2, 4 or 8.
  func shrink(of width: Int, _ height: Int) -> Int {
    guard let covering else { return 1 }
    return [8, 4, 2].first { width / $0 >= covering.width && height / $0 >= covering.height } ?? 1
  }

  /// Refuses a picture that is too large, by what its header says, before anything is decoded.
  ///
  /// - Throws: ``FileError/unsupported(path:reason:)``.
  func check(_ width: Int, _ height: Int, pictures: Int = 1, path: String) throws {
    guard width > 0, height > 0 else {
      throw FileError.malformed(path: path, reason: "a picture of \(width) x \(height) pixels")
    }
    var (count, overflow) = width.multipliedReportingOverflow(by: height)
    if !overflow { (count, overflow) = count.multipliedReportingOverflow(by: pictures) }
    guard !overflow, count <= maxPixels else {
      throw FileError.unsupported(
        path: path,
        reason: (pictures > 1 ? "\(pictures) pictures of " : "") + "\(width) x \(height) pixels"
          + "\(overflow ? "" : ", \(count) in all,") are more than the limit of \(maxPixels) (maxPixels)")
    }
  }

  /// The pictures to read of those that there are.
  ///
  /// - Throws: ``FileError/unsupported(path:reason:)`` when the one that was asked for is not there.
  func pages(of count: Int, path: String) throws -> Range<Int> {
    guard let page else { return 0..<count }
    guard (0..<count).contains(page) else {
      throw FileError.unsupported(
        path: path, reason: "page \(page) was asked for, counted from 0, of \(count == 1 ? "1 page" : "\(count) pages")"
      )
    }
    return page..<page + 1
  }
}
