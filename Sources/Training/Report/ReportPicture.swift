import ArrayFiles
import Drawing
import Foundation

/// A picture within a page.
struct ReportPicture {
  /// An `img` with all of the file in it, or a note that says why there is none.
  let element: String

  /// - Parameters:
  ///   - path: a JPEG or PNG file; nil for none.
  ///   - description: for those who do not see it.
  init(_ path: String?, description: String) {
    do {
      guard let path else { throw FileError.unreadable(path: description, reason: "there is none") }
      let address = try Self.dataAddress(of: path)
      element = "<img src=\"\(address)\" alt=\"\(escapedForMarkup(description.shown))\"/>"
    } catch {
      element = "<p class=\"lost\">\(escapedForMarkup("\(error)".shown))</p>"
    }
  }

  private static func dataAddress(of path: String) throws -> String {
    let file = try FileReader(path)
    let bytes = try file.bytes(at: 0, count: file.size, what: "its contents")
    let kinds: [(type: String, start: [UInt8])] = [
      ("jpeg", [0xFF, 0xD8, 0xFF]), ("png", [0x89, 0x50, 0x4E, 0x47]),
    ]
    guard let kind = kinds.first(where: { bytes.starts(with: $0.start) }) else {
      throw FileError.unsupported(path: path, reason: "neither a JPEG nor a PNG file")
    }
    return "data:image/\(kind.type);base64,\(Data(bytes).base64EncodedString())"
  }
}
