#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

// A file's name is bytes to the system, and need not be UTF-8. Paths here are strings all the same, in which a byte that
// no text has is stood for by a scalar of Unicode's last private plane: 0xE8 by U+10FEE8. Any bytes become a string and
// the same bytes again.

extension String {
  /// The path of a file from the system's bytes, which need not be UTF-8, for all functions here that take a path.
  ///
  /// Bytes that are not UTF-8 and control characters become scalars U+10FE00...U+10FEFF, and stand again for those bytes
  /// when the file is opened. Errors show them as `\xE8` and `\n`.
  public init(fileName bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    var scalars = String.UnicodeScalarView()
    var iterator = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var place = 0
    func standIns(for bytes: ArraySlice<UInt8>) -> [Unicode.Scalar] {
      bytes.compactMap { Unicode.Scalar(FileNames.standIns.lowerBound + UInt32($0)) }
    }
    reading: while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        let isHidden = FileNames.isHidden(scalar) || FileNames.standIns.contains(scalar.value)
        let end = place + encoded.count
        scalars.append(contentsOf: isHidden ? standIns(for: bytes[place..<end]) : [scalar])
        place = end
      case .error(let length):
        scalars.append(contentsOf: standIns(for: bytes[place..<place + length]))
        place += length
      case .emptyInput: break reading
      }
    }
    self = String(scalars)
  }

  /// The bytes that a path stands for.
  package var fileNameBytes: [UInt8] {
    unicodeScalars.flatMap { scalar in
      FileNames.byte(scalar).map { [$0] } ?? Array(String(scalar).utf8)
    }
  }

  /// The bytes that a path stands for, with a zero at the end, as C takes them.
  package var fileName: [CChar] { fileNameBytes.map { CChar(bitPattern: $0) } + [0] }

  /// A path as text for programs to read: itself where it is UTF-8, else as ``shown``.
  package var asText: String { String(validating: fileNameBytes, as: UTF8.self) ?? shown }

  /// A text that holds a file's name, as a message may show it: nothing that moves a terminal's cursor, hides what comes
  /// after it or is not text.
  package var shown: String {
    unicodeScalars.map { scalar in
      if let byte = FileNames.byte(scalar) ?? (scalar.isASCII ? UInt8(scalar.value) : nil) {
        if (0x20...0x7E).contains(byte) { return String(scalar) }
        switch byte {
        case UInt8(ascii: "\n"): return "\\n"
        case UInt8(ascii: "\r"): return "\\r"
        case UInt8(ascii: "\t"): return "\\t"
        default: return "\\x" + FileNames.hexadecimal(UInt32(byte), digits: 2)
        }
      }
      return FileNames.isHidden(scalar) || scalar.properties.generalCategory == .format
        ? "\\u{\(FileNames.hexadecimal(scalar.value, digits: 4))}" : String(scalar)
    }.joined()
  }
}

private enum FileNames {
  static let standIns: ClosedRange<UInt32> = 0x10FE00...0x10FEFF

  static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
    standIns.contains(scalar.value) ? UInt8(scalar.value - standIns.lowerBound) : nil
  }

  static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    [.control, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
  }

  static func hexadecimal(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
