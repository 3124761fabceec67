import CTensors

extension Tensor: CustomStringConvertible {
  /// The values as NumPy prints them: rows in brackets, eight digits at most, all of one width; with more than 1000
  /// values only the first and last three along each axis.
  public var description: String {
    guard let printer = try? Printer(self) else { return "Tensor(\(shape), \(dtype), \(device), unreadable)" }
    return printer.text
  }
}

extension Tensor: CustomDebugStringConvertible {
  /// ``description`` with shape, dtype, layout and device.
  public var debugDescription: String {
    "Tensor\(shape) \(dtype) \(layout) on \(device)\n\(description)"
  }
}

/// How NumPy arranges an array as text (its defaults: threshold 1000, 3 edge items, 75 columns, precision 8).
private struct Printer {
  private static let threshold = 1000
  private static let edge = 3
  private static let columns = 75
  private static let precision = 8

  let text: String

  init(_ tensor: Tensor) throws {
    let shape = tensor.shape
    guard tensor.count > 0 else {
      text = "[]"
      return
    }
    let shortened = tensor.count > Self.threshold
    let shown = shape.map { extent -> [Int?] in
      guard shortened, extent > 2 * Self.edge else { return Array(0..<extent) }
      return Array(0..<Self.edge) + [nil] + Array(extent - Self.edge..<extent)
    }
    let strides = tensor.layout.strides(of: shape)
    let host = try tensor.toHost()

    /// The values that are shown, in order.
    func collect(_ axis: Int, _ offset: Int, _ read: (Int) -> Number) -> [Number] {
      if axis == shape.rank { return [read(offset)] }
      return shown[axis].compactMap { $0 }.flatMap { collect(axis + 1, offset + $0 * strides[axis], read) }
    }
    let values: [Number] = try host.withUnsafeBytes { bytes in
      collect(0, 0) { Number(bytes, at: $0, host.dtype) }
    }
    let numbers = Self.format(values, host.dtype)

    var next = numbers.makeIterator()
    func write(_ axis: Int) -> String {
      if axis == shape.rank { return next.next() ?? "" }
      let indent = String(repeating: " ", count: axis + 1)
      if axis < shape.rank - 1 {
        // Between blocks of rank r there are r - 1 blank lines.
        let gap = String(repeating: "\n", count: shape.rank - 1 - axis) + indent
        return "[" + shown[axis].map { $0 == nil ? "..." : write(axis + 1) }.joined(separator: gap) + "]"
      }
      var text = ""
      var line = ""
      let items = shown[axis].map { $0 == nil ? "..." : write(axis + 1) }
      for (place, item) in items.enumerated() {
        // The last item of a row needs room for the brackets that close after it.
        let closing = place == items.count - 1 ? shape.rank : 0
        let limit = Self.columns - max(closing, 1)
        if !line.isEmpty, indent.count + line.count + item.count > limit {
          text += (text.isEmpty ? "" : indent) + line.trimmingTrailingSpaces() + "\n"
          line = ""
        }
        line += item + (place == items.count - 1 ? "" : " ")
      }
      return "[" + text + (text.isEmpty ? "" : indent) + line + "]"
    }
    text = write(0)
  }

  /// A value with the shortest digits that tell it from its neighbours in its own dtype.
  struct Number {
    let value: Double
    let shortest: String

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ dtype: DType) {
      switch dtype {
      case .float16:
        let value = bytes.load(fromByteOffset: offset * 2, as: Float16.self)
        (self.value, shortest) = (Double(value), "\(value)")
      case .bfloat16:
        // NumPy has no such type; its values are float32's.
        let value = bytes.load(fromByteOffset: offset * 2, as: BFloat16.self).double
        (self.value, shortest) = (value, "\(Float(value))")
      case .float32:
        let value = bytes.load(fromByteOffset: offset * 4, as: Float.self)
        (self.value, shortest) = (Double(value), "\(value)")
      case .float64:
        let value = bytes.load(fromByteOffset: offset * 8, as: Double.self)
        (self.value, shortest) = (value, "\(value)")
      }
    }

    /// The shortest digits d1 d2 d3... and the power of ten of d1.
    var digits: (digits: String, exponent: Int) {
      let unsigned = shortest.drop { $0 == "-" }
      let parts = unsigned.split(separator: "e")
      let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
      let whole = String(mantissa[0])
      let fraction = mantissa.count > 1 ? String(mantissa[1]) : ""
      var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + whole.count - 1
      var digits = Substring(whole + fraction)
      while digits.first == "0", digits.count > 1 {
        digits = digits.dropFirst()
        exponent -= 1
      }
      while digits.last == "0", digits.count > 1 { digits = digits.dropLast() }
      return (String(digits), digits == "0" ? 0 : exponent)
    }
  }

  private static func format(_ numbers: [Number], _ dtype: DType) -> [String] {
    let magnitudes = numbers.filter { $0.value.isFinite && $0.value != 0 }.map(\.value.magnitude)
    let (least, greatest) = (magnitudes.min() ?? 1, magnitudes.max() ?? 1)
    let scientific = greatest >= 1e8 || least < 1e-4 || ratio(greatest, least, dtype) > 1000
    let finite = numbers.filter(\.value.isFinite)
    var parts = finite.map { scientific ? Self.scientific($0) : Self.positional($0) }
    let fractionWidth = parts.map { $0.fraction.count }.max() ?? 0
    // Where one value needs more digits than another, the other's are given as far, and not zeros.
    if scientific { parts = finite.map { Self.scientific($0, fractionDigits: fractionWidth) } }
    let exponentWidth = parts.map { $0.exponent.count }.max() ?? 0
    var wholeWidth = parts.map { $0.whole.count }.max() ?? 0
    let afterWhole = parts.isEmpty ? 0 : 1 + fractionWidth + exponentWidth
    for number in numbers where !number.value.isFinite {
      wholeWidth = max(wholeWidth, Self.name(number.value).count - afterWhole)
    }
    var part = parts.makeIterator()
    return numbers.map { number in
      guard number.value.isFinite, let text = part.next() else {
        return Self.name(number.value).padded(left: wholeWidth + afterWhole)
      }
      return text.whole.padded(left: wholeWidth) + "." + text.fraction.padded(right: fractionWidth) + text.exponent
    }
  }

  private static func name(_ value: Double) -> String {
    value.isNaN ? "nan" : value < 0 ? "-inf" : "inf"
  }

  private typealias Parts = (whole: String, fraction: String, exponent: String)

  private static func positional(_ number: Number) -> Parts {
    let (digits, exponent) = number.digits
    let sign = number.value.sign == .minus ? "-" : ""
    var plain: String
    if digits.count - 1 - exponent > precision {
      plain = formatted("%.*f", precision, number.value.magnitude)
    } else if exponent < 0 {
      plain = "0." + String(repeating: "0", count: -exponent - 1) + digits
    } else {
      let padded = digits.padded(right: exponent + 1, with: "0")
      plain = padded.prefix(exponent + 1) + "." + padded.dropFirst(exponent + 1)
    }
    while plain.last == "0", plain.contains(".") { plain.removeLast() }
    let parts = plain.split(separator: ".", omittingEmptySubsequences: false)
    return (sign + parts[0], parts.count > 1 ? String(parts[1]) : "", "")
  }

  /// - Parameter fractionDigits: how many; nil for as many as tell the value from its neighbours, up to the precision.
  private static func scientific(_ number: Number, fractionDigits: Int? = nil) -> Parts {
    let needed = min(number.digits.digits.count - 1, precision)
    let text = formatted("%.*e", fractionDigits ?? needed, number.value.magnitude).split(separator: "e")
    let digits = text[0].split(separator: ".")
    var fraction = digits.count > 1 ? String(digits[1]) : ""
    if fractionDigits == nil { while fraction.last == "0" { fraction.removeLast() } }
    return ((number.value.sign == .minus ? "-" : "") + digits[0], fraction, "e" + text[1])
  }

  /// How many times larger one value is than another, as NumPy finds it: in the array's own type.
  private static func ratio(_ first: Double, _ second: Double, _ dtype: DType) -> Double {
    switch dtype {
    case .float16: Double(Float16(first) / Float16(second))
    case .bfloat16, .float32: Double(Float(first) / Float(second))
    case .float64: first / second
    }
  }
}

/// What C's `printf` writes of a number, whatever the locale.
private func formatted(_ format: String, _ precision: Int, _ number: Double) -> String {
  // 309 digits before the point are the most.
  let capacity = 400
  let text = String(unsafeUninitializedCapacity: capacity) { buffer in
    withVaList([Int32(precision), number]) { arguments in
      buffer.withMemoryRebound(to: CChar.self) {
        Int(vsnprintf($0.baseAddress, capacity, format, arguments))
      }
    }
  }
  // A program may have asked for another point.
  return String(text.map { $0 == "," ? "." : $0 })
}

extension String {
  fileprivate func padded(left width: Int, with character: Character = " ") -> String {
    String(repeating: character, count: max(0, width - count)) + self
  }

  fileprivate func padded(right width: Int, with character: Character = " ") -> String {
    self + String(repeating: character, count: max(0, width - count))
  }

  fileprivate func trimmingTrailingSpaces() -> String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
