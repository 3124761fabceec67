import ArrayFiles

/// What a caller asks of a file: how large it may be, and what to read of it.
struct ReadingRequest {
  let maxPixels: Int
  /// The picture to read of several, counted from 0; nil for all.
  let page: Int?

  init(maxPixels: Int, page: Int?) {
    // So that numbers of bytes do not overflow, whatever the caller allows.
    self.maxPixels = min(maxPixels, 1 << 48)
    self.page = page
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
