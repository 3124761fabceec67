/// An n-dimensional array of numbers on a ``Device``.
///
/// A tensor is a value: assigning copies it, and memory is copied only when one of the copies is written. Its
/// type of values, its shape and its layout are known at run time.
///
///     var x = try Tensor.randomNormal([5, 3, 4, 4], seed: 1)
///     print(try x[0, 2, 3, 3], x.dtype, x.device)
///     try x.set(1, at: 0, 2, 3, 3)
///
/// Subscripts, ``array(of:)``, reshaping and printing read (N, C, spatial...) in whatever order memory has the
/// values.
public struct Tensor: Sendable {
  public let shape: Shape
  public let dtype: DType
  public let layout: Layout
  /// How many values there are.
  public let count: Int
  /// The memory, for backends; everyone else has ``withUnsafeBuffer(of:_:)``.
  public private(set) var storage: Storage
  /// What made it, where gradients are recorded; nil for values that nothing depends on.
  package var origin: Origin?

  /// Where the tensor is.
  public var device: Device { Device(storage.backend) }

  /// Bytes its values take.
  public var byteCount: Int { count * dtype.byteCount }

  /// A tensor whose values have yet to be written.
  ///
  /// - Throws: ``TensorError`` when the shape is not valid, the layout does not exist for its rank or there is no
  ///   memory.
  public init(uninitialized shape: Shape, dtype: DType, layout: Layout = .nchw, on device: Device = .cpu) throws {
    guard layout.allows(rank: shape.rank) else { throw TensorError.layout(layout, shape: shape) }
    let byteCount = try shape.byteCount(of: dtype)
    self.shape = shape
    self.dtype = dtype
    self.layout = layout
    self.count = byteCount / dtype.byteCount
    self.storage = try Storage(byteCount: byteCount, on: device.backend)
  }

  /// A tensor like another (shape, dtype, layout, device) whose values have yet to be written.
  public init(uninitializedLike other: Tensor, dtype: DType? = nil) throws {
    let dtype = dtype ?? other.dtype
    let (byteCount, overflow) = other.count.multipliedReportingOverflow(by: dtype.byteCount)
    if overflow { throw TensorError.invalidShape(other.shape, reason: "the number of bytes overflows") }
    self.init(
      shape: other.shape, dtype: dtype, layout: other.layout, count: other.count,
      storage: try Storage(byteCount: byteCount, on: other.storage.backend))
  }

  private init(shape: Shape, dtype: DType, layout: Layout, count: Int, storage: Storage) {
    self.shape = shape
    self.dtype = dtype
    self.layout = layout
    self.count = count
    self.storage = storage
  }

  /// The first values of some memory, which the caller knows to be large enough. Several tensors may be made of one.
  package init(in storage: Storage, _ shape: Shape, _ dtype: DType, _ layout: Layout) throws {
    self.init(
      shape: shape, dtype: dtype, layout: layout, count: try shape.byteCount(of: dtype) / dtype.byteCount,
      storage: storage)
  }

  /// The same memory under another shape and layout, whose number of values the caller knows to be the same.
  package func reinterpreted(as shape: Shape, layout: Layout = .nchw) -> Tensor {
    Tensor(shape: shape, dtype: dtype, layout: layout, count: count, storage: storage)
  }

  /// Whether another tensor is on the same device.
  package func isBeside(_ other: Tensor) -> Bool {
    storage.backendIdentity == other.storage.backendIdentity || device == other.device
  }

  /// Whether no other tensor has this one's memory.
  package mutating func isUnique() -> Bool { isKnownUniquelyReferenced(&storage) }

  /// Makes this tensor the only one that has its memory, by a copy where it is not. Call before writing to
  /// ``storage``. What is written is no longer what made it gave, so that gradients end here.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  public mutating func makeUnique() throws {
    try storage.requireKnown(shape)
    origin = nil
    if isKnownUniquelyReferenced(&storage) { return }
    let copy = try Storage(byteCount: storage.byteCount, on: storage.backend)
    try storage.backend.copy(from: storage, to: copy)
    storage = copy
  }
}

// MARK: - Making tensors

extension Tensor {
  /// A tensor of the values of an array, row by row: the last subscript varies fastest.
  ///
  /// - Throws: ``TensorError/valueCount(expected:got:shape:)`` when the array does not fill the shape.
  public init<S: Scalar>(_ values: [S], shape: Shape) throws {
    let expected = try shape.elementCount()
    guard values.count == expected else {
      throw TensorError.valueCount(expected: expected, got: values.count, shape: shape)
    }
    try self.init(uninitialized: shape, dtype: S.dtype)
    values.withUnsafeBytes { source in
      if let base = source.baseAddress { storage.address.copyMemory(from: base, byteCount: source.count) }
    }
  }

  /// A tensor of rank 1.
  public init<S: Scalar>(_ values: [S]) throws {
    try self.init(values, shape: [values.count])
  }

  /// A tensor written by a closure, which gets the memory in the layout's order.
  ///
  ///     // A picture as cameras and screens have it, (1, 3, height, width) with the colours of a pixel together:
  ///     let x = try Tensor(shape: [1, 3, height, width], layout: .nhwc) {
  ///       (buffer: UnsafeMutableBufferPointer<Float>) in
  ///       for i in buffer.indices { buffer[i] = Float(pixels[i]) / 255 }
  ///     }
  ///
  /// Every value has to be written. The closure must not keep the buffer.
  public init<S: Scalar>(
    shape: Shape, layout: Layout = .nchw, initializingWith body: (UnsafeMutableBufferPointer<S>) throws -> Void
  ) throws {
    try self.init(uninitialized: shape, dtype: S.dtype, layout: layout)
    try body(UnsafeMutableBufferPointer(start: storage.address.assumingMemoryBound(to: S.self), count: count))
  }

  /// A tensor of one value, repeated.
  public init(
    repeating value: Double, shape: Shape, dtype: DType = .float32, layout: Layout = .nchw, on device: Device = .cpu
  ) throws {
    try self.init(uninitialized: shape, dtype: dtype, layout: layout, on: device)
    try storage.backend.fill(storage, with: dtype.pattern(of: value))
  }

  public static func zeros(_ shape: Shape, dtype: DType = .float32, layout: Layout = .nchw) throws -> Tensor {
    try Tensor(repeating: 0, shape: shape, dtype: dtype, layout: layout)
  }

  public static func ones(_ shape: Shape, dtype: DType = .float32, layout: Layout = .nchw) throws -> Tensor {
    try Tensor(repeating: 1, shape: shape, dtype: dtype, layout: layout)
  }
}

// MARK: - Reading and writing values

extension Tensor {
  /// The value at a place, widened to float64. On a GPU every read is a transfer: take ``array(of:)`` for more than a
  /// few.
  ///
  /// - Throws: ``TensorError/index(_:shape:)`` when the place is outside the tensor.
  public subscript(_ index: Int...) -> Double {
    get throws {
      let offset = try offset(of: index)
      func read<S: Scalar>(_ type: S.Type) throws -> Double {
        try withUnsafeBuffer(of: S.self) { $0[offset].double }
      }
      return try read(dtype.scalarType)
    }
  }

  /// Writes the value at a place, rounded to the tensor's dtype.
  ///
  /// - Throws: ``TensorError/index(_:shape:)`` when the place is outside the tensor.
  public mutating func set(_ value: Double, at index: Int...) throws {
    let offset = try offset(of: index)
    func write<S: Scalar>(_ type: S.Type, to tensor: inout Tensor) throws {
      try tensor.withUnsafeMutableBuffer(of: S.self) { $0[offset] = S(value) }
    }
    try write(dtype.scalarType, to: &self)
  }

  private func offset(of index: [Int]) throws -> Int {
    guard index.count == shape.rank, zip(index, shape).allSatisfy({ $0 >= 0 && $0 < $1 }) else {
      throw TensorError.index(index, shape: shape)
    }
    return zip(index, layout.strides(of: shape)).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// All values as an array, row by row (the last subscript varies fastest), converted to `S` where the dtype is
  /// another.
  public func array<S: Scalar>(of type: S.Type = S.self) throws -> [S] {
    if count == 0 { return [] }
    func read<Source: Scalar>(_ source: Source.Type) throws -> [S] {
      try withUnsafeBuffer(of: Source.self) { buffer in
        if layout == .nchw {
          if let buffer = buffer as? UnsafeBufferPointer<S> { return Array(buffer) }
          return buffer.map { S($0.double) }
        }
        // In memory the maps of a place lie together.
        let (images, maps) = (shape[0], shape[1])
        let size = count == 0 ? 0 : count / (images * maps)
        return Array(unsafeUninitializedCapacity: count) { result, length in
          for image in 0..<(count == 0 ? 0 : images) {
            for map in 0..<maps {
              for place in 0..<size {
                result[(image * maps + map) * size + place] = S(buffer[(image * size + place) * maps + map].double)
              }
            }
          }
          length = count
        }
      }
    }
    return try read(dtype.scalarType)
  }

  /// Calls a closure with the values as they lie in memory, in the layout's order. On a GPU, with a copy of them.
  ///
  /// - Throws: ``TensorError/dtypeMismatch(operation:expected:got:)`` when the tensor does not hold `S`; and what the
  ///   closure throws.
  public func withUnsafeBuffer<S: Scalar, Result>(
    of type: S.Type, _ body: (UnsafeBufferPointer<S>) throws -> Result
  ) throws -> Result {
    guard dtype == S.dtype else {
      throw TensorError.dtypeMismatch(operation: "reading the buffer", expected: dtype, got: S.dtype)
    }
    return try withUnsafeBytes { try body($0.assumingMemoryBound(to: S.self)) }
  }

  /// Calls a closure that may change the values as they lie in memory, in the layout's order.
  ///
  /// - Throws: ``TensorError/dtypeMismatch(operation:expected:got:)`` when the tensor does not hold `S`; and what the
  ///   closure throws.
  public mutating func withUnsafeMutableBuffer<S: Scalar, Result>(
    of type: S.Type, _ body: (UnsafeMutableBufferPointer<S>) throws -> Result
  ) throws -> Result {
    guard dtype == S.dtype else {
      throw TensorError.dtypeMismatch(operation: "writing the buffer", expected: dtype, got: S.dtype)
    }
    return try withUnsafeMutableBytes { try body($0.assumingMemoryBound(to: S.self)) }
  }

  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    try storage.requireKnown(shape)
    guard storage.backend.isHostMemory else { return try toHost().withUnsafeBytes(body) }
    // The storage has to outlive the closure, which the last use of `self` alone does not promise.
    return try withExtendedLifetime(storage) {
      try body(UnsafeRawBufferPointer(start: storage.address, count: byteCount))
    }
  }

  package mutating func withUnsafeMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard storage.backend.isHostMemory else {
      let device = device
      var host = try toHost()
      let result = try host.withUnsafeMutableBytes(body)
      self = try host.copied(to: device)
      return result
    }
    try makeUnique()
    return try withExtendedLifetime(storage) {
      try body(UnsafeMutableRawBufferPointer(start: storage.address, count: byteCount))
    }
  }
}

// MARK: - Other places

extension Tensor {
  /// Sets every value, in place, rounded to the tensor's dtype.
  public mutating func fill(with value: Double) throws {
    try makeUnique()
    try fillMemory(with: value)
  }

  /// The same for whoever knows that nobody else reads the memory.
  package func fillMemory(with value: Double) throws {
    try storage.backend.fill(storage, with: dtype.pattern(of: value))
  }

  /// The values on another device; the tensor itself when it is there.
  package func copied(to device: Device) throws -> Tensor {
    let backend = storage.backend
    if device.backend === backend { return self }
    if !backend.isHostMemory && !device.backend.isHostMemory { return try toHost().copied(to: device) }
    let result = try Tensor(uninitialized: shape, dtype: dtype, layout: layout, on: device)
    if backend.isHostMemory {
      try withUnsafeBytes { try device.backend.copy(from: $0, to: result.storage) }
    } else {
      try backend.copy(
        from: storage, to: UnsafeMutableRawBufferPointer(start: result.storage.address, count: byteCount))
    }
    return result
  }

  /// The values where the processor can read them; the tensor itself when they are there.
  public func toHost() throws -> Tensor {
    storage.backend.isHostMemory ? self : try copied(to: .cpu)
  }
}
