import CInstanceNorm

/// What a call can fail with. It takes no memory to make and to tell, as there may be none.
enum CallError: Error {
  case argument(_ name: StaticString, expected: Words, got: Words)
  case outOfMemory(byteCount: Int)
}

/// A few words with a value among them.
struct Words: ExpressibleByStringLiteral {
  enum Value {
    case none
    case integer(Int)
    case real(Double)
    case address(UInt)
    case extents(Int, Int, Int)
    case name(StaticString)
  }

  let before: StaticString
  let value: Value
  let after: StaticString

  init(_ before: StaticString, _ value: Value, _ after: StaticString = "") {
    self.before = before
    self.value = value
    self.after = after
  }

  init(stringLiteral text: StaticString) { self.init(text, .none) }

  /// Adds them to the thread's last error.
  func tell() {
    instnorm_add_to_error(before.characters)
    switch value {
    case .none: break
    case .integer(let value): instnorm_add_integer_to_error(Int64(value))
    case .real(let value): instnorm_add_real_to_error(value)
    case .address(let value): instnorm_add_address_to_error(value)
    case .extents(let images, let maps, let size):
      instnorm_add_to_error("(")
      instnorm_add_integer_to_error(Int64(images))
      instnorm_add_to_error(", ")
      instnorm_add_integer_to_error(Int64(maps))
      instnorm_add_to_error(", ")
      instnorm_add_integer_to_error(Int64(size))
      instnorm_add_to_error(")")
    case .name(let name): instnorm_add_to_error(name.characters)
    }
    instnorm_add_to_error(after.characters)
  }
}

extension CallError {
  /// Makes this what the thread's last error says.
  func tell(_ function: StaticString) -> instnorm_status {
    instnorm_begin_error(function.characters)
    switch self {
    case .argument(let name, let expected, let got):
      instnorm_add_to_error(name.characters)
      instnorm_add_to_error(": expected ")
      expected.tell()
      instnorm_add_to_error(", got ")
      got.tell()
      return INSTNORM_INVALID_ARGUMENT
    case .outOfMemory(let byteCount):
      Words("out of memory: ", .integer(byteCount), " bytes could not be allocated").tell()
      return INSTNORM_OUT_OF_MEMORY
    }
  }
}

extension StaticString {
  fileprivate var characters: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
