import InstanceNorm
import TestSupport
import Testing

@Suite struct TensorTests {
  @Test func `an array fills a shape row by row`() throws {
    let tensor = try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
    #expect(tensor.shape == [2, 3])
    #expect(tensor.dtype == .float32)
    #expect(tensor.layout == .nchw)
    #expect(tensor.device == .cpu)
    #expect(try tensor[0, 2] == 3)
    #expect(try tensor[1, 0] == 4)
    #expect(try tensor.array(of: Float.self) == [1, 2, 3, 4, 5, 6])
  }

  @Test func `every dtype holds its values`() throws {
    let values = [0, 1, -2.5, 0.125, 1024]
    for dtype in DType.allCases {
      let tensor = try Tensor(values).to(dtype)
      #expect(tensor.dtype == dtype)
      #expect(tensor.byteCount == values.count * dtype.byteCount)
      #expect(try tensor.array(of: Double.self) == values)
      #expect(try tensor[2] == -2.5)
    }
  }

  @Test func `storage is aligned to 64 bytes`() throws {
    for count in [1, 3, 17, 1000, 100_003] {
      let tensor = try Tensor.zeros([count])
      #expect(UInt(bitPattern: tensor.storage.address) % 64 == 0)
    }
  }

  @Test func `a copy does not see what is written to the original`() throws {
    var first = try Tensor([1, 2, 3] as [Float])
    let second = first
    try first.set(9, at: 1)
    try first.fill(with: 7)
    #expect(try first.array(of: Float.self) == [7, 7, 7])
    #expect(try second.array(of: Float.self) == [1, 2, 3])
  }

  @Test func `writing to the only reference copies nothing`() throws {
    var tensor = try Tensor([1, 2, 3] as [Float])
    let address = tensor.storage.address
    try tensor.set(5, at: 0)
    try tensor.withUnsafeMutableBuffer(of: Float.self) { $0[1] = 6 }
    #expect(tensor.storage.address == address)
    #expect(try tensor.array(of: Float.self) == [5, 6, 3])
  }

  @Test func `layouts differ in memory and not in meaning`() throws {
    for shape in [[2, 3, 4], [2, 3, 4, 5], [2, 3, 2, 3, 2], [1, 35, 3, 7]] as [Shape] {
      let count = try shape.elementCount()
      let rows = try Tensor((0..<count).map(Double.init), shape: shape)
      let channelsLast = try rows.to(.nhwc)
      #expect(channelsLast.shape == shape)
      #expect(try channelsLast.array(of: Double.self) == (0..<count).map(Double.init))
      #expect(try bits(channelsLast.to(.nchw)) == bits(rows))
      let neighbours = try channelsLast.withUnsafeBuffer(of: Double.self) { [$0[0], $0[1]] }
      #expect(neighbours == [0, Double(count / shape[0] / shape[1])])
    }
    var picture = try Tensor.zeros([1, 3, 2, 2], layout: .nhwc)
    try picture.set(1, at: 0, 2, 0, 1)
    #expect(try picture.withUnsafeBuffer(of: Float.self) { Array($0) } == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    #expect(try picture[0, 2, 0, 1] == 1)
  }

  @Test func `a buffer written in channels-last order reads as the shape says`() throws {
    let tensor = try Tensor(shape: [1, 2, 1, 3], layout: .nhwc) { (buffer: UnsafeMutableBufferPointer<Float>) in
      for index in buffer.indices { buffer[index] = Float(index) }
    }
    #expect(try tensor.array(of: Float.self) == [0, 2, 4, 1, 3, 5])
  }

  @Test func `conversion to another dtype keeps the layout`() throws {
    let tensor = try Tensor.randomNormal([2, 3, 4, 5], seed: 3).to(.nhwc)
    let wide = try tensor.to(.float64)
    #expect(wide.layout == .nhwc)
    #expect(try wide.doubles == tensor.doubles)
  }

  @Test func `reshaping keeps the order of values and works out one extent`() throws {
    let tensor = try Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
    #expect(try tensor.reshaped(to: [4, -1]).shape == [4, 6])
    #expect(try tensor.reshaped(to: [24]).storage === tensor.storage)
    #expect(throws: TensorError.self) { try tensor.reshaped(to: [5, 5]) }
    #expect(throws: TensorError.self) { try tensor.reshaped(to: [-1, -1]) }
    #expect(throws: TensorError.self) { try tensor.reshaped(to: [7, -1]) }
    #expect(throws: TensorError.self) { try tensor.reshaped(to: [0, -1]) }
  }

  @Test func `reshaping moves no values, and says where they would have to move`() throws {
    let tensor = try Tensor((0..<48).map(Float.init), shape: [2, 3, 2, 4]).to(.nhwc)
    let error = TensorError.layoutMismatch(
      operation: "reshaping (2, 3, 2, 4) to (6, 8)", expected: .nchw, got: .nhwc)
    #expect(throws: error) { try tensor.reshaped(to: [6, 8]) }
    #expect("\(error)".contains("to(.nchw)"))
    #expect(try tensor.to(.nchw).reshaped(to: [6, 8]).array(of: Float.self) == (0..<48).map(Float.init))
    // Spatial axes are beside one another in either layout.
    for shape in [[2, 3, 8], [2, 3, 4, 2], [2, 3, 2, 2, 2]] as [Shape] {
      let reshaped = try tensor.reshaped(to: shape)
      #expect(reshaped.layout == .nhwc && reshaped.storage === tensor.storage)
      #expect(try reshaped.array(of: Float.self) == (0..<48).map(Float.init))
    }
    // Of one map, and of one place, both layouts are the same.
    let one = try Tensor((0..<6).map(Float.init), shape: [2, 1, 3]).to(.nhwc)
    #expect(try one.reshaped(to: [6]).array(of: Float.self) == (0..<6).map(Float.init))
    let place = try Tensor((0..<6).map(Float.init), shape: [2, 3, 1, 1]).to(.nhwc)
    #expect(try place.reshaped(to: [3, 2]).array(of: Float.self) == (0..<6).map(Float.init))
  }

  @Test func `what does not fit throws and says what was expected`() throws {
    #expect(throws: TensorError.valueCount(expected: 6, got: 5, shape: [2, 3])) {
      try Tensor([1, 2, 3, 4, 5] as [Float], shape: [2, 3])
    }
    #expect(throws: TensorError.self) { try Tensor.zeros([2, -1]) }
    #expect(throws: TensorError.self) { try Tensor.zeros([Int.max, 2]) }
    #expect(throws: TensorError.self) { try Tensor.zeros([Int.max / 2]) }
    #expect(throws: TensorError.layout(.nhwc, shape: [2, 3])) { try Tensor.zeros([2, 3], layout: .nhwc) }
    #expect(throws: TensorError.layout(.nhwc, shape: [4])) { try Tensor.zeros([4]).to(.nhwc) }

    var tensor = try Tensor.zeros([2, 3])
    #expect(throws: TensorError.index([2, 0], shape: [2, 3])) { try tensor[2, 0] }
    #expect(throws: TensorError.index([0, -1], shape: [2, 3])) { try tensor.set(1, at: 0, -1) }
    #expect(throws: TensorError.index([0], shape: [2, 3])) { try tensor[0] }
    #expect(throws: TensorError.dtypeMismatch(operation: "reading the buffer", expected: .float32, got: .float64)) {
      try tensor.withUnsafeBuffer(of: Double.self) { $0.count }
    }
    #expect(throws: TensorError.self) { try tensor.withUnsafeMutableBuffer(of: Float16.self) { $0[0] = 1 } }
    #expect("\(TensorError.valueCount(expected: 6, got: 5, shape: [2, 3]))" == "shape (2, 3) holds 6 values, got 5")
  }

  @Test func `empty tensors are legal, whatever their other extents`() throws {
    for shape in [[0], [0, 3, 4, 4], [2, 0, 4, 4], [2, 3, 0, 4], [Int.max, Int.max, 0]] as [Shape] {
      let tensor = try Tensor.zeros(shape)
      #expect(tensor.count == 0)
      #expect(try tensor.array(of: Float.self) == [])
      #expect(try tensor.to(.float16).count == 0)
      #expect(try tensor.sum().scalar() == 0)
      if shape.rank == 4 { #expect(try tensor.to(.nhwc).count == 0) }
    }
    #expect(try Tensor([] as [Float]).shape == [0])
    #expect(try Tensor.zeros([Int.max, Int.max, 0, 5]).to(.nhwc).count == 0)
  }

  @Test func `ranks above NumPy's largest are refused`() throws {
    let shape = Shape(Array(repeating: 1, count: 65))
    #expect(throws: TensorError.self) { try Tensor.zeros(shape) }
    #expect(try Tensor.zeros(Shape(Array(repeating: 1, count: 64))).count == 1)
  }

  @Test func `memory that the system does not have throws`() throws {
    #expect(throws: TensorError.self) { try Tensor.zeros([1 << 57]) }
  }
}

@Suite struct ArithmeticTests {
  @Test func `sums, differences, products and multiples`() throws {
    let a = try Tensor([1, 2, 3] as [Float])
    let b = try Tensor([10, 20, 30] as [Float])
    #expect(try (a + b).array(of: Float.self) == [11, 22, 33])
    #expect(try (b - a).array(of: Float.self) == [9, 18, 27])
    #expect(try (a * b).array(of: Float.self) == [10, 40, 90])
    #expect(try (0.5 * b).array(of: Float.self) == [5, 10, 15])
    #expect(try b.sum().scalar() == 60)
  }

  @Test func `combine is alpha x + beta self, and beta 0 does not read`() throws {
    var target = try Tensor([1, 2, .nan] as [Float])
    let x = try Tensor([10, 20, 30] as [Float])
    try target.combine(0.1, x, beta: 0)
    #expect(try target.array(of: Float.self) == [1, 2, 3])
    try target.combine(1, x, beta: -1)
    #expect(try target.array(of: Float.self) == [9, 18, 27])
  }

  @Test func `operands of two layouts agree value by value`() throws {
    let a = try Tensor.randomNormal([2, 3, 4, 5], seed: 1)
    let b = try Tensor.randomNormal([2, 3, 4, 5], seed: 2)
    let sum = try a.to(.nhwc) + b
    #expect(sum.layout == .nhwc)
    #expect(try bits(sum) == bits(a + b))
  }

  @Test func `operands that do not agree throw`() throws {
    let a = try Tensor.zeros([2, 3])
    #expect(throws: TensorError.shapeMismatch(operation: "adding", expected: [2, 3], got: [3, 2])) {
      try a + Tensor.zeros([3, 2])
    }
    #expect(throws: TensorError.dtypeMismatch(operation: "subtracting", expected: .float32, got: .float64)) {
      try a - Tensor.zeros([2, 3], dtype: .float64)
    }
    var b = a
    #expect(throws: TensorError.self) { try b.combine(1, Tensor.zeros([6])) }
  }

  @Test func `large sums have the bits of any number of threads and small error`() throws {
    let values = try Tensor.randomNormal([300_001], seed: 4)
    let exact = try values.doubles.sorted { abs($0) < abs($1) }.reduce(0, +)
    #expect(abs(try values.to(.float64).sum().scalar() - exact) < 1e-9)
    // Rounded once, to the tensor's type.
    #expect(abs(try values.sum().scalar() - exact) <= Double(Float(exact).ulp) / 2 + 1e-9)
    let doubled = try [1, 2, 7].map { threads in
      let device = try Device.cpu(threads: threads)
      return try bits(values.to(device) + values.to(device))
    }
    #expect(doubled[0] == doubled[1] && doubled[1] == doubled[2])
  }
}

@Suite struct PlaneSummaryTests {
  @Test(arguments: Layout.allCases) func `summaries are each plane's`(layout: Layout) throws {
    let shape: Shape = [2, 19, 33, 31]
    let tensor = try Tensor.randomNormal(shape, mean: 3, seed: 8)
    let values = try tensor.doubles
    let summaries = try tensor.to(layout).planeSummaries()
    #expect(summaries.count == 38)
    for (plane, summary) in summaries.enumerated() {
      let slice = values[plane * 1023..<(plane + 1) * 1023]
      let mean = slice.reduce(0, +) / 1023
      #expect(summary.minimum == slice.min())
      #expect(summary.maximum == slice.max())
      #expect(abs(summary.moments.mean - mean) < 1e-12)
      #expect(abs(summary.moments.variance - slice.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 1023) < 1e-12)
    }
  }

  @Test func `empty tensors have no planes to tell of, however many they claim`() throws {
    for shape in [[0, 3, 4], [2, 3, 0], [1 << 62, 2, 0], [1 << 62, 2, 1, 0], [1_000_000_000_000, 1, 0]] as [Shape] {
      #expect(try Tensor.zeros(shape).planeSummaries() == [])
    }
    #expect(throws: TensorError.self) { try Tensor.zeros([3, 4]).planeSummaries() }
  }

  @Test func `NaN shows in every number of its plane`() throws {
    let summaries = try Tensor([1, .nan, 3, 4, 5, 6] as [Float], shape: [1, 2, 3]).planeSummaries()
    #expect(summaries[0].minimum.isNaN && summaries[0].maximum.isNaN && summaries[0].moments.mean.isNaN)
    #expect(summaries[1].minimum == 4 && summaries[1].maximum == 6 && summaries[1].moments.mean == 5)
  }
}
