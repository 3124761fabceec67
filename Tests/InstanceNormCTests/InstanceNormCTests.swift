import CInstanceNorm
import InstanceNorm
import InstanceNormC
import TestSupport
import Testing

/// The functions of instancenorm.h, called as C calls them.
@Suite struct InstanceNormCTests {
  private static let dtypes: [(DType, instnorm_dtype)] = [
    (.float32, INSTNORM_FLOAT32), (.float16, INSTNORM_FLOAT16), (.bfloat16, INSTNORM_BFLOAT16),
    (.float64, INSTNORM_FLOAT64),
  ]
  @Test(arguments: [Activation.none, .relu, .leakyReLU(slope: 0.2)], ResidualPlace.allCases)
  func `results have the bits of the layer's, in every type and layout, in place or not`(
    activation: Activation, place: ResidualPlace
  ) throws {
    for (dtype, cType) in Self.dtypes {
      for layout in Layout.allCases {
        for hasResidual in [false, true] {
          func random(_ seed: UInt64) throws -> Tensor {
            try Tensor.randomNormal(shape, mean: 1, seed: seed).to(dtype).to(layout)
          }
          let norm = try InstanceNorm2D(numOfMaps: 5, activation: activation, residualPlace: place)
          norm.scale?.data = try Tensor.randomNormal([5], seed: 5)
          norm.bias?.data = try Tensor.randomNormal([5], seed: 6)
          try norm.calcMode(dtype)
          let (x, dy, residual) = (try random(1), try random(2), hasResidual ? try random(3) : nil)
          let y = try residual.map { try norm(x, residual: $0) } ?? norm(x)
          let dx = try norm.backward(dy)

          let (scale, bias) = (try #require(norm.scale), try #require(norm.bias))
          var planes = somePlanes(cType, layout)
          var options = someOptions(activation, place)
          let mean = try Tensor(uninitialized: [2, 5], dtype: .float64)
          let invStd = try Tensor(uninitialized: [2, 5], dtype: .float64)
          func forward(_ x: Tensor, _ y: Tensor) {
            let status = instnorm_forward(
              &planes, &options, x.address, scale.data.address, bias.data.address, residual?.address, y.address,
              mean.doublesAddress, invStd.doublesAddress)
            #expect(status == INSTNORM_OK)
          }
          let out = try random(9)
          forward(x, out)
          #expect(try bits(out) == bits(y))
          #expect(try bits(mean) == bits(#require(norm.saveMean)) && bits(invStd) == bits(#require(norm.saveInvVar)))
          let own = try random(1)
          forward(own, own)
          #expect(try bits(own) == bits(y))

          let (dscale, dbias) = (try 0 * scale.data, try 0 * bias.data)
          func backward(
            _ dy: Tensor, _ x: Tensor, _ dx: Tensor?, _ dresidual: Tensor?, residual: Tensor? = residual
          ) {
            let status = instnorm_backward(
              &planes, &options, dy.address, x.address, scale.data.address, bias.data.address, residual?.address,
              mean.doublesAddress, invStd.doublesAddress, dx?.address, dscale.address, dbias.address,
              dresidual?.address)
            #expect(status == INSTNORM_OK)
            #expect((try? bits(dscale)) == (try? bits(#require(scale.grad))))
            #expect((try? bits(dbias)) == (try? bits(#require(bias.grad))))
          }
          // Without the residual nobody can tell what its gradient is, where it comes before an activation.
          let isKnown = hasResidual || place == .afterActivation || activation == .none
          let dr = try bits((hasResidual ? norm.grads[1] : nil) ?? dy)
          let (dxOut, drOut) = (try random(9), try random(9))
          backward(dy, x, dxOut, isKnown ? drOut : nil)
          #expect(try bits(dxOut) == bits(dx) && (!isKnown || bits(drOut) == dr))
          // In dy's memory, in x's, and without dx.
          let (dyOwn, drOther) = (try random(2), try random(9))
          backward(dyOwn, x, dyOwn, isKnown ? drOther : nil)
          #expect(try bits(dyOwn) == bits(dx) && (!isKnown || bits(drOther) == dr))
          let xOwn = try random(1)
          backward(dy, xOwn, xOwn, nil)
          #expect(try bits(xOwn) == bits(dx))
          if isKnown {
            let dyForResidual = try random(2)
            backward(dyForResidual, x, nil, dyForResidual)
            #expect(try bits(dyForResidual) == dr)
          }
          if hasResidual {
            let (first, second) = (try random(3), try random(3))
            backward(dy, x, first, drOther, residual: first)
            #expect(try bits(first) == bits(dx) && bits(drOther) == dr)
            backward(dy, x, dxOut, second, residual: second)
            #expect(try bits(dxOut) == bits(dx) && bits(second) == dr)
          }
        }
      }
    }
  }

  @Test func `in place, planes have the same bits that float32 arithmetic is not for`() throws {
    let shape: Shape = [3, 20, 6, 7]
    for layout in Layout.allCases {
      for dtype in [DType.float32, .float64] {
        // Every third map too small, every third too large.
        let x = try Tensor.randomNormal(shape, seed: 1).to(dtype)
        let factors = (0..<20).map { [1e-25, 1, 1e25][$0 % 3] }
        let values = try x.doubles.enumerated().map { $0.element * factors[$0.offset / 42 % 20] }
        func data() throws -> Tensor { try Tensor(values, shape: shape).to(dtype).to(layout) }
        func random(_ seed: UInt64) throws -> Tensor {
          try Tensor.randomNormal(shape, seed: seed).to(dtype).to(layout)
        }
        let statistics = (0..<2).map { _ in UnsafeMutablePointer<Double>.allocate(capacity: 60) }
        defer { for row in statistics { row.deallocate() } }
        var planes = instnorm_planes(
          images: 3, maps: 20, plane_size: 42, dtype: dtype == .float64 ? INSTNORM_FLOAT64 : INSTNORM_FLOAT32,
          layout: layout == .nchw ? INSTNORM_NCHW : INSTNORM_NHWC)
        var options = someOptions(.leakyReLU(slope: 0.2), .beforeActivation)
        func forward(_ x: Tensor, _ residual: Tensor, _ y: Tensor) throws -> [UInt64] {
          let status = instnorm_forward(
            &planes, &options, x.address, nil, nil, residual.address, y.address, statistics[0], statistics[1])
          #expect(status == INSTNORM_OK)
          return try bits(y)
        }
        let y = try forward(data(), random(2), random(9))
        let (own, ownResidual) = (try data(), try random(2))
        #expect(try forward(own, random(2), own) == y)
        #expect(try forward(data(), ownResidual, ownResidual) == y)

        func backward(
          _ dy: Tensor, _ x: Tensor, _ residual: Tensor, _ dx: Tensor, _ dresidual: Tensor
        ) throws -> [[UInt64]] {
          let status = instnorm_backward(
            &planes, &options, dy.address, x.address, nil, nil, residual.address, statistics[0], statistics[1],
            dx.address, nil, nil, dresidual.address)
          #expect(status == INSTNORM_OK)
          return [try bits(dx), try bits(dresidual)]
        }
        let expected = try backward(random(3), data(), random(2), random(9), random(9))
        let (dy, x1, x2, r1, r2) = (try random(3), try data(), try data(), try random(2), try random(2))
        #expect(try backward(dy, x1, r1, dy, r1) == expected)
        #expect(try backward(random(3), x2, r2, x2, r2) == expected)
        let (r3, dy3) = (try random(2), try random(3))
        #expect(try backward(dy3, data(), r3, r3, dy3) == expected)
      }
    }
  }

  @Test func `parameters' gradients are sums over few pictures or many, in the parameters' place too`() throws {
    for shape: Shape in [[4, 16, 3, 3], [5, 16, 3, 3], [9, 40, 3, 3]] {
      let (images, maps) = (shape[0], shape[1])
      let (x, dy) = (try Tensor.randomNormal(shape, seed: 1), try Tensor.randomNormal(shape, seed: 2))
      let norm = try InstanceNorm2D(numOfMaps: maps)
      norm.scale?.data = try Tensor.randomNormal([maps], seed: 5)
      _ = try norm(x)
      _ = try norm.backward(dy)
      var planes = instnorm_planes(
        images: Int64(images), maps: Int64(maps), plane_size: 9, dtype: INSTNORM_FLOAT32, layout: INSTNORM_NCHW)
      let (scale, bias) = (try Tensor.randomNormal([maps], seed: 5), try Tensor.zeros([maps]))
      let (mean, invStd) = (try #require(norm.saveMean), try #require(norm.saveInvVar))
      let status = instnorm_backward(
        &planes, nil, dy.address, x.address, scale.address, bias.address, nil, mean.doublesAddress,
        invStd.doublesAddress, nil, scale.address, bias.address, nil)
      #expect(status == INSTNORM_OK)
      #expect(try bits(scale) == bits(#require(norm.scale?.grad)) && bits(bias) == bits(#require(norm.bias?.grad)))
    }
  }

  @Test func `what may be left out may be left out`() throws {
    let x = try Tensor.randomNormal(shape, seed: 1)
    let y = try Tensor.zeros(shape)
    var planes = somePlanes()
    #expect(instnorm_forward(&planes, nil, x.address, nil, nil, nil, y.address, nil, nil) == INSTNORM_OK)
    let norm = try InstanceNorm2D(numOfMaps: 5, affine: false)
    #expect(try bits(y) == bits(norm(x)))
    let (mean, invStd) = (try #require(norm.saveMean), try #require(norm.saveInvVar))
    #expect(
      instnorm_backward(
        &planes, nil, y.address, x.address, nil, nil, nil, mean.doublesAddress, invStd.doublesAddress, nil, nil, nil,
        nil) == INSTNORM_OK)
  }

  @Test func `one array may end where the next begins`() throws {
    var planes = instnorm_planes(images: 1, maps: 1, plane_size: 8, dtype: INSTNORM_FLOAT32, layout: INSTNORM_NCHW)
    var room: [Float] = [1, 2, 3, 4, 5, 6, 7, 8] + Array(repeating: 0, count: 8)
    for (from, to) in [(0, 8), (8, 0)] {
      room.withUnsafeMutableBufferPointer { room in
        let x = room.baseAddress! + from
        #expect(instnorm_forward(&planes, nil, x, nil, nil, nil, room.baseAddress! + to, nil, nil) == INSTNORM_OK)
      }
    }
  }

  @Test func `no pictures and no pixels are legal`() throws {
    var planes = somePlanes()
    planes.images = 0
    #expect(instnorm_forward(&planes, nil, nil, nil, nil, nil, nil, nil, nil) == INSTNORM_OK)
    let sums = try Tensor.ones([5])
    #expect(
      instnorm_backward(&planes, nil, nil, nil, nil, nil, nil, nil, nil, nil, sums.address, nil, nil) == INSTNORM_OK)
    #expect(try sums.doubles == [0, 0, 0, 0, 0])
    var options = instnorm_default_options()
    options.grain = INSTNORM_BY_ELEMENT
    let (dscale, dbias) = (try Tensor.ones([5, 63]), try Tensor.ones([5, 63]))
    #expect(
      instnorm_backward(
        &planes, &options, nil, nil, nil, nil, nil, nil, nil, nil, dscale.address, dbias.address, nil) == INSTNORM_OK)
    #expect(try dscale.doubles.allSatisfy { $0 == 0 } && dbias.doubles.allSatisfy { $0 == 0 })
    planes.images = 2
    planes.plane_size = 0
    let invStd = try Tensor.zeros([2, 5], dtype: .float64)
    #expect(instnorm_forward(&planes, nil, nil, nil, nil, nil, nil, nil, invStd.doublesAddress) == INSTNORM_OK)
    #expect(try invStd.doubles.allSatisfy { $0 == 1 / 1e-5.squareRoot() })
    let mean = try Tensor.ones([2, 5], dtype: .float64)
    #expect(instnorm_forward(&planes, nil, nil, nil, nil, nil, nil, mean.doublesAddress, nil) == INSTNORM_OK)
    #expect(try mean.doubles.allSatisfy { $0 == 0 })
    // So many planes of nothing are nothing to do.
    planes.images = 1 << 55
    #expect(instnorm_forward(&planes, nil, nil, nil, nil, nil, nil, nil, nil) == INSTNORM_OK)
    // Nor are the statistics of no planes of so many maps.
    for layout in [INSTNORM_NCHW, INSTNORM_NHWC] {
      var planes = instnorm_planes(images: 0, maps: 1 << 50, plane_size: 63, dtype: INSTNORM_FLOAT32, layout: layout)
      let address = invStd.doublesAddress
      #expect(instnorm_forward(&planes, nil, nil, nil, nil, nil, nil, address, address) == INSTNORM_OK)
    }
  }

  /// What is wrong, and what the message has to name.
  @Test func `many threads at once, each with threads and errors of its own`() async throws {
    let shape: Shape = [2, 24, 90, 70]
    let x = try Tensor.randomNormal(shape, seed: 1)
    let expected = try bits(InstanceNorm2D(numOfMaps: 24)(x))
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<8 {
        group.addTask {
          let y = try Tensor.zeros(shape)
          var planes = instnorm_planes(
            images: 2, maps: 24, plane_size: 6300, dtype: INSTNORM_FLOAT32, layout: INSTNORM_NCHW)
          var options = instnorm_default_options()
          options.threads = Int32(1 + number % 3)
          for _ in 0..<5 {
            guard
              instnorm_forward(&planes, &options, x.address, nil, nil, nil, y.address, nil, nil) == INSTNORM_OK,
              try bits(y) == expected
            else { return false }
            var wrong = options
            wrong.threads = Int32(-1 - number)
            guard
              instnorm_forward(&planes, &wrong, x.address, nil, nil, nil, y.address, nil, nil)
                == INSTNORM_INVALID_ARGUMENT,
              String(cString: instnorm_last_error()).hasSuffix("got \(-1 - number)")
            else { return false }
          }
          return true
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
    #expect(["avx512", "avx2", "x86_64", "neon", "plain"].contains(String(cString: instnorm_instruction_set())))
    instnorm_trim()
  }
}
