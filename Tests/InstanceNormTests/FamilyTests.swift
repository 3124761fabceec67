import InstanceNorm
import TestSupport
import Testing

/// What the types of normalisation have in common, and what each has of its own.
@Suite struct FamilyTests {
  private let folder = TemporaryFolder()

  /// A call, its gradient and the variables' gradients, bit by bit.
  private func run(_ module: Module, _ x: Tensor, _ dy: Tensor) throws -> [[UInt64]] {
    for (_, variable) in module.variables {
      variable.data = try .randomNormal(variable.data.shape, mean: 0.5, seed: 3, dtype: variable.data.dtype)
    }
    let y = try bits(module(x))
    let dx = try bits(module.backward(dy))
    return [y, dx] + (try module.variables.map { try bits(#require($0.variable.grad)) })
  }

  @Test(arguments: Layout.allCases, DType.allCases) func `types that come to the same have the same bits`(
    layout: Layout, dtype: DType
  ) throws {
    func expectSame(_ shape: Shape, _ first: Normalization, _ second: Normalization) throws {
      let x = try Tensor.randomNormal(shape, mean: 3, deviation: 2, seed: 1, dtype: dtype).to(layout)
      let dy = try Tensor.randomNormal(shape, seed: 2, dtype: dtype).to(layout)
      for norm in [first, second] { try norm.calcMode(dtype) }
      #expect(try run(first, x, dy) == run(second, x, dy), "\(first), \(second)")
      #expect(try bits(#require(first.saveInvVar)) == bits(#require(second.saveInvVar)))
    }
    let shape: Shape = [3, 6, 9, 7]
    try expectSame(shape, GroupNorm2D(groups: 1, numOfMaps: 6), LayerNorm2D(numOfMaps: 6))
    try expectSame(shape, GroupNorm2D(groups: 6, numOfMaps: 6), InstanceNorm2D(numOfMaps: 6))
    try expectSame([1, 6, 9, 7], BatchNorm2D(numOfMaps: 6), InstanceNorm2D(numOfMaps: 6))
    try expectSame([4, 1, 9, 7], LayerNorm2D(numOfMaps: 1), InstanceNorm2D(numOfMaps: 1))
  }

  /// Also where the pictures of a batch have one row of them in memory, and from one number of pictures to another.
  @Test(arguments: Layout.allCases)
  func `a batch's statistics are there for each of its pictures`(layout: Layout) throws {
    let norm = try BatchNorm2D(numOfMaps: 3)
    try norm.calcMode(.float64)
    var runningMean = [0.0, 0, 0]
    for (index, images) in [4, 2, 1, 3].enumerated() {
      let x = try Tensor.randomNormal([images, 3, 5, 4], mean: 2, seed: UInt64(index), dtype: .float64)
      try norm(x.to(layout))
      let values = try x.doubles
      let means = (0..<3).map { map in
        let own = values.indices.filter { $0 / 20 % 3 == map }.map { values[$0] }
        return own.reduce(0, +) / Double(own.count)
      }
      for saved in [norm.saveMean, norm.saveInvVar] { #expect(saved?.shape == [images, 3]) }
      for (place, value) in try #require(norm.saveMean).doubles.enumerated() {
        #expect(abs(value - means[place % 3]) < 1e-14)
      }
      runningMean = zip(runningMean, means).map { 0.9 * $0 + 0.1 * $1 }
      for (value, expected) in zip(try #require(norm.runningMean).doubles, runningMean) {
        #expect(abs(value - expected) < 1e-14)
      }
    }
  }

  @Test func `scale and bias by element are those by map where a map's are equal`() throws {
    let shape: Shape = [2, 3, 5, 4]
    let x = try Tensor.randomNormal(shape, mean: 1, seed: 1, dtype: .float64)
    let dy = try Tensor.randomNormal(shape, seed: 2, dtype: .float64)
    let byMap = try LayerNorm2D(numOfMaps: 3, activation: .relu)
    let byElement = try LayerNorm2D(numOfMaps: 3, perElement: (5, 4), activation: .relu)
    for norm in [byMap, byElement] { try norm.calcMode(.float64) }
    byMap.scale?.data = try Tensor([0.5, -2, 3])
    byMap.bias?.data = try Tensor([0.1, 0.2, 0.3])
    func repeated(_ values: [Double]) throws -> Tensor {
      try Tensor(values.flatMap { Array(repeating: $0, count: 20) }, shape: [3, 5, 4])
    }
    byElement.scale?.data = try repeated([0.5, -2, 3])
    byElement.bias?.data = try repeated([0.1, 0.2, 0.3])
    for layout in Layout.allCases {
      let (first, second) = (try byMap(x.to(layout)).doubles, try byElement(x.to(layout)).doubles)
      #expect(zip(first, second).allSatisfy { abs($0 - $1) < 1e-13 })
      let (dx, other) = (try byMap.backward(dy).doubles, try byElement.backward(dy).doubles)
      #expect(zip(dx, other).allSatisfy { abs($0 - $1) < 1e-13 })
      let grads = try #require(byElement.scale?.grad).doubles
      let sums = (0..<3).map { grads[$0 * 20..<($0 + 1) * 20].reduce(0, +) }
      #expect(zip(sums, try #require(byMap.scale?.grad).doubles).allSatisfy { abs($0 - $1) < 1e-12 })
    }
    // Old gradients are multiplied by the momentum, new ones by the scale.
    let before = try #require(byElement.bias?.grad).doubles
    try byElement.backward(dy, scale: 2, momentum: 0.5)
    let after = try #require(byElement.bias?.grad).doubles
    #expect(zip(after, before).allSatisfy { abs($0 - 2.5 * $1) < 1e-12 })
    #expect(throws: ModuleError.self) { try byElement(Tensor.zeros([2, 3, 4, 5], dtype: .float64)) }
    byElement.scale?.data = try Tensor.ones([3, 5, 4], dtype: .float64).to(.nhwc)
    #expect(throws: ModuleError.self) { try byElement(x) }
  }

  // MARK: Without a batch

  @Test(arguments: [1, 2, 3]) func `data without a batch is a batch of one`(rank: Int) throws {
    let spatial = [6, 5, 4].prefix(rank)
    func make() throws -> Normalization {
      switch rank {
      case 1: try InstanceNorm1D(numOfMaps: 3, activation: .relu, residualPlace: .beforeActivation)
      case 2: try InstanceNorm2D(numOfMaps: 3, activation: .relu, residualPlace: .beforeActivation)
      default: try InstanceNorm3D(numOfMaps: 3, activation: .relu, residualPlace: .beforeActivation)
      }
    }
    let (single, batch) = (Shape([3] + spatial), Shape([1, 3] + spatial))
    func tensors(_ seed: UInt64) throws -> (Tensor, Tensor) {
      let tensor = try Tensor.randomNormal(batch, mean: 1, seed: seed)
      return (try tensor.reshaped(to: single), tensor)
    }
    let (x, dy, r) = (try tensors(1), try tensors(2), try tensors(3))
    for layout in Layout.allCases where layout == .nchw || rank > 1 {
      let (one, other) = (try make(), try make())
      let y = try one(x.0.to(layout), residual: r.0)
      #expect(y.shape == single && y.layout == layout)
      #expect(try bits(y) == bits(other(x.1, residual: r.1)))
      let dx = try one.backward(dy.0)
      #expect(dx.shape == single && dx.layout == layout)
      #expect(try bits(dx) == bits(other.backward(dy.1)))
      #expect(try bits(#require(one.grads[1])) == bits(#require(other.grads[1])))
      #expect(try bits(#require(one.scale?.grad)) == bits(#require(other.scale?.grad)))
      #expect(one.saveMean?.shape == [1, 3])

      var inPlace = try x.0.to(layout)
      try one.normalize(inPlace: &inPlace, residual: r.0)
      #expect(inPlace.shape == single && inPlace.layout == layout)
      #expect(try bits(inPlace) == bits(y))
    }
  }

  @Test func `in place, data without a batch stays where it is`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    var x = try Tensor.randomNormal([3, 40, 40], seed: 1)
    let address = x.storage.address
    try norm.normalize(inPlace: &x)
    #expect(x.storage.address == address)
    let copy = x
    try norm.normalize(inPlace: &x)
    #expect(x.storage.address != address && copy.storage.address == address)
  }

  // MARK: The number of maps from the data

  @Test func `the number of maps is inferred from the first data`() throws {
    let norm = try InstanceNorm2D(name: "n")
    #expect(norm.numOfMaps == nil && norm.scale == nil && norm.numOfParams == 0)
    #expect("\(norm)".contains("numOfMaps: inferred"))
    #expect(throws: OptimizerError.lazy(module: "InstanceNorm2D 'n'")) {
      try SGD(learnRate: 0.1).setup(on: Sequential([norm]))
    }
    #expect(throws: FileError.self) { try norm.save(to: folder.file("lazy.safetensors")) }
    #expect(folder.contents.isEmpty)
    #expect(throws: ModuleError.self) { try norm(Tensor.zeros([1, 0, 2, 2])) }
    #expect(throws: ModuleError.self) { try norm(Tensor.zeros([2, 2])) }
    #expect(throws: ModuleError.self) { try norm(Tensor.zeros([1, 3, 2, 2], dtype: .float64)) }
    #expect(norm.numOfMaps == nil)

    try norm.calcMode(.float64)
    try norm(Tensor.zeros([1, 3, 2, 2], dtype: .float64))
    #expect(norm.numOfMaps == 3 && norm.scale?.data.shape == [3] && norm.bias?.data.dtype == .float64)
    let expected = "(N, 3, H, W) or (3, H, W)"
    #expect(throws: ModuleError.dataShape(module: "InstanceNorm2D 'n'", expected: expected, got: [1, 4, 2, 2])) {
      try norm(Tensor.zeros([1, 4, 2, 2], dtype: .float64))
    }
    // A blueprint says what the constructor was given.
    #expect(norm.blueprint.scheme["numOfMaps"] == .null)
    #expect((try norm.blueprint.build() as? InstanceNorm2D)?.numOfMaps == nil)

    let groups = try GroupNorm2D(groups: 2)
    #expect(throws: ModuleError.self) { try groups(Tensor.zeros([1, 3, 2, 2])) }
    #expect(groups.numOfMaps == nil)
    try groups(Tensor.zeros([1, 4, 2, 2]))
    try AdaptiveInstanceNorm2D()(Tensor.zeros([1, 4, 2, 2]), style: Tensor.zeros([1, 4, 3, 3]))
  }

  @Test func `the number of maps is inferred from a file, unless that does not fit`() throws {
    let path = folder.file("a.safetensors")
    func check(_ make: () throws -> Normalization, _ maps: Int) throws {
      let trained = try make()
      try trained(.randomNormal([4, maps, 3, 3], mean: 2, seed: 1))
      for (_, variable) in trained.variables { variable.data = try .randomNormal(variable.data.shape, seed: 2) }
      try trained.save(to: path)
      let loaded = try make()
      try loaded.load(from: path)
      #expect(loaded.numOfMaps == maps)
      for module in [trained, loaded] { module.evalMode() }
      let x = try Tensor.randomNormal([1, maps, 3, 3], seed: 4)
      #expect(try bits(trained(x)) == bits(loaded(x)))
      #expect(loaded.numOfBatches == trained.numOfBatches)
    }
    try check({ try InstanceNorm2D() }, 5)
    try check({ try BatchNorm2D(affine: false) }, 6)
    try check({ try InstanceNorm2D(trackRunningStats: true) }, 2)
    try check({ try LayerNorm2D(perElement: (3, 3)) }, 7)
    try check({ try ConditionalInstanceNorm2D(numOfStyles: 4) }, 3)
    try check({ try GroupNorm2D(groups: 3) }, 6)

    try SafetensorsFile.write(["weight": .ones([5])], to: path)
    let norm = try InstanceNorm2D()
    #expect(throws: FileError.missingTensor(path: path, name: "bias", available: ["weight"])) {
      try norm.load(from: path)
    }
    #expect(norm.numOfMaps == nil && norm.scale == nil)
    let groups = try GroupNorm2D(groups: 2)
    #expect(throws: ModuleError.self) { try groups.load(from: path) }
    try SafetensorsFile.write(["other": .ones([5])], to: path)
    let error = #expect(throws: ModuleError.self) { try norm.load(from: path) }
    #expect("\(try #require(error))".contains("made with `affine: false`"))
    #expect(norm.numOfMaps == nil && norm.scale == nil)
  }

  @Test func `float64 beyond the range of its squares`() throws {
    for factor in [1e200, 1e-200] {
      let x = try Tensor.randomNormal([3, 4, 5, 6], mean: 1, seed: 1, dtype: .float64)
      let large = try factor * x
      let dy = try Tensor.randomNormal([3, 4, 5, 6], seed: 2, dtype: .float64)
      for norm in [
        try BatchNorm2D(numOfMaps: 4, epsilon: 0, trackRunningStats: false), try LayerNorm2D(numOfMaps: 4, epsilon: 0),
        try GroupNorm2D(groups: 2, numOfMaps: 4, epsilon: 0), try InstanceNorm2D(numOfMaps: 4, epsilon: 0),
      ] as [Normalization] {
        try norm.calcMode(.float64)
        let (y, dx) = (try norm(x).doubles, try norm.backward(dy).doubles)
        #expect(zip(try norm(large).doubles, y).allSatisfy { abs($0 - $1) < 1e-12 }, "\(norm)")
        #expect(zip(try norm.backward(dy).doubles, dx).allSatisfy { abs($0 * factor - $1) < 1e-11 }, "\(norm)")
      }
      let adain = try AdaptiveInstanceNorm2D(epsilon: 0)
      try adain.calcMode(.float64)
      let styled = try adain(x, style: large).doubles
      #expect(zip(styled, try adain(x, style: x).doubles).allSatisfy { abs($0 / factor - $1) < 1e-6 })
    }
    let norm = try BatchNorm2D(numOfMaps: 1)
    try norm.calcMode(.float64)
    try norm(Tensor([1e200, -1e200], shape: [1, 1, 1, 2]))
    #expect(try #require(norm.runningVar).doubles == [1])
  }

  // MARK: Arguments

  @Test func `what no layer can be made of is refused`() throws {
    #expect(throws: ModuleError.argument(module: "GroupNorm2D", name: "groups", expected: "1 or more", got: "0")) {
      try GroupNorm2D(groups: 0, numOfMaps: 4)
    }
    #expect(throws: ModuleError.self) { try GroupNorm2D(groups: -2) }
    let expected = "a multiple of the 3 groups"
    #expect(throws: ModuleError.argument(module: "GroupNorm2D", name: "numOfMaps", expected: expected, got: "4")) {
      try GroupNorm2D(groups: 3, numOfMaps: 4)
    }
    #expect(throws: ModuleError.self) { try LayerNorm2D(numOfMaps: 2, perElement: (0, 3)) }
    #expect(throws: ModuleError.self) { try LayerNorm2D(perElement: (3, -1)) }
    for momentum in [-0.1, 1.1, .nan] {
      #expect(throws: ModuleError.self) { try BatchNorm2D(numOfMaps: 2, momentum: momentum) }
    }
    #expect(throws: ModuleError.self) { try LeakyReLU(slope: .infinity) }
  }

  @Test func `a blueprint builds the same layer`() throws {
    let modules: [Module] = [
      try BatchNorm2D(numOfMaps: 4, epsilon: 1e-3, momentum: nil, activation: .relu, name: "b"),
      try BatchNorm2D(numOfMaps: 4, affine: false, trackRunningStats: false),
      try InstanceNorm2D(numOfMaps: 4, trackRunningStats: true, momentum: 0.2),
      try LayerNorm2D(numOfMaps: 4), try LayerNorm2D(numOfMaps: 4, perElement: (3, 5)),
      try GroupNorm2D(groups: 2, numOfMaps: 4, residualPlace: .beforeActivation),
      try ConditionalInstanceNorm2D(numOfMaps: 4, numOfStyles: 3), try AdaptiveInstanceNorm2D(strength: 0.3, name: "a"),
      ReLU(name: "r"), try LeakyReLU(slope: 0.3), Tanh(), Identity(),
    ]
    let bare = #"{"classname":"BatchNorm2D","scheme":{"numOfMaps":3,"epsilon":1e-5,"affine":true}}"#
    let built = try Blueprint(json: bare).build() as? BatchNorm2D
    #expect(built?.tracksRunningStats == true && built?.momentum == 0.1)
    let whole = try Sequential(name: "whole", modules)
    for module in modules + [whole] {
      let built = try Blueprint(json: module.blueprint.json()).build()
      #expect("\(built)" == "\(module)" && built.blueprint == module.blueprint && built.name == module.name)
    }
    #expect(try Sequential([ReLU()]).blueprint.json().contains(#""modules":[{"classname":"ReLU""#))
    #expect(throws: ModuleError.self) {
      try Blueprint(json: #"{"classname":"Sequential","scheme":{},"modules":[{"classname":"No","scheme":{}}]}"#).build()
    }
  }
}
