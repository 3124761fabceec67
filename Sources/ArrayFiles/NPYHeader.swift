import Tensors

/// The header of an .npy file: a Python dictionary such as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3, 4, 4), }`.
struct NPYHeader {
  var type: StoredType
  var isBigEndian: Bool
  var isFortranOrder: Bool
  var shape: [Int]

  private typealias Fault = HeaderScanner.Fault

  /// - Throws: `HeaderScanner.Fault` unless the text is a dictionary of exactly the three keys, of a type that tensors
  ///   have.
  init(parsing text: [UInt8]) throws {
    var scanner = HeaderScanner(text, .python)
    var descr: String?
    var fortranOrder: Bool?
    var shape: [Int]?

    try scanner.list("{", "}") { scanner in
      let key = try scanner.string()
      try scanner.expect(":")
      switch key {
      case "descr" where descr == nil: descr = try Self.type(&scanner)
      case "fortran_order" where fortranOrder == nil: fortranOrder = try Self.boolean(&scanner)
      case "shape" where shape == nil: shape = try Self.extents(&scanner)
      case "descr", "fortran_order", "shape": throw Fault(reason: "\(quoted(key)) stands twice")
      default: throw Fault(reason: "unknown key \(quoted(key))")
      }
    }
    try scanner.expectEnd()

    guard let descr, let fortranOrder, let shape else {
      throw Fault(reason: "'descr', 'fortran_order' and 'shape' are needed")
    }
    let marks = descr.first.map { "<>=|".contains($0) } ?? false
    let code = marks ? descr.dropFirst() : Substring(descr)
    guard let type = Self.codes[code] ?? (marks ? nil : Self.words[descr]) else {
      throw Fault(
        reason: "values of type \(quoted(descr)) (only float16, float32 and float64 are)", isUnsupported: true)
    }
    self.type = type
    isBigEndian = descr.first == ">"
    isFortranOrder = fortranOrder
    self.shape = shape
  }

  /// What NumPy calls the types, with a mark for the order of bytes before it or without.
  private static let codes: [Substring: StoredType] = [
    "f2": .float16, "f4": .float32, "f8": .float64, "e": .float16, "f": .float32, "d": .float64,
  ]
  /// What it calls them without such a mark.
  private static let words: [String: StoredType] = [
    "half": .float16, "single": .float32, "double": .float64, "float": .float64, "float16": .float16,
    "float32": .float32, "float64": .float64,
  ]

  private static func type(_ scanner: inout HeaderScanner) throws -> String {
    if scanner.accept("[") { throw Fault(reason: "records (only values of one type are)", isUnsupported: true) }
    return try scanner.string()
  }

  private static func boolean(_ scanner: inout HeaderScanner) throws -> Bool {
    if scanner.accept(word: "True") { return true }
    if scanner.accept(word: "False") { return false }
    throw Fault(reason: "'fortran_order' is neither True nor False")
  }

  private static func extents(_ scanner: inout HeaderScanner) throws -> [Int] {
    var shape: [Int] = []
    try scanner.list("(", ")", limit: Shape.maximumRank) { scanner in
      shape.append(try scanner.integer())
      // Python 2 wrote long integers with an L at the end.
      _ = scanner.accept("L")
    }
    return shape
  }
}
