import InstanceNorm
import TestSupport
import Testing

@Suite struct ContainedTests {
  @Test(arguments: Layout.allCases, DType.allCases) func `what is not finite makes its own plane NaN and no other`(
    layout: Layout, dtype: DType
  ) throws {
    let shape: Shape = [2, 18, 25, 25]
    let clean = try Tensor.randomNormal(shape, seed: 1).to(dtype)
    let norm = try InstanceNorm2D(numOfMaps: 18)
    try norm.calcMode(dtype)
    let dy = try Tensor.randomNormal(shape, seed: 2).to(dtype).to(layout)
    let expected = try norm(clean.to(layout)).doubles
    let expectedGrad = try norm.backward(dy).doubles

    for poison in [Double.nan, .infinity, -.infinity] {
      var x = try clean.to(layout)
      try x.set(poison, at: 0, 3, 24, 24)
      try x.set(poison, at: 1, 17, 0, 0)
      let out = try norm(x).doubles
      let grad = try norm.backward(dy).doubles
      for index in out.indices {
        let plane = index / 625
        if plane == 3 || plane == 35 {
          #expect(out[index].isNaN && grad[index].isNaN)
        } else {
          #expect(out[index].bitPattern == expected[index].bitPattern)
          #expect(grad[index].bitPattern == expectedGrad[index].bitPattern)
        }
      }
      let scaleGrad = try #require(norm.scale?.grad).doubles
      for map in 0..<18 { #expect(scaleGrad[map].isNaN == (map == 3 || map == 17)) }
    }
  }

  @Test(arguments: Layout.allCases, DType.allCases) func `a constant plane gives exactly the bias`(
    layout: Layout, dtype: DType
  ) throws {
    for value in [0, 1, -0.1, 1234.567, 65504] {
      for epsilon in [1e-5, 0] {
        let norm = try InstanceNorm2D(numOfMaps: 3, epsilon: epsilon)
        try norm.calcMode(dtype)
        norm.scale?.data = try Tensor([2, -3, 0.1]).to(dtype.parameterDType)
        norm.bias?.data = try Tensor([0.5, -7, 0]).to(dtype.parameterDType)
        let x = try Tensor(repeating: value, shape: [2, 3, 37, 29], dtype: dtype, layout: layout)
        let out = try norm(x).doubles
        let bias = try #require(norm.bias).data.doubles
        for index in out.indices { #expect(out[index] == bias[index / 1073 % 3]) }

        // dx is scale invStd (dy - mean dy), as calculus has it, and 0 where a variance and epsilon of 0 leave no
        // derivative. The scale's gradient is 0: xhat is.
        let dy = try Tensor.randomNormal([2, 3, 37, 29], seed: 1).to(dtype)
        let dx = try norm.backward(dy).doubles
        #expect(try #require(norm.scale?.grad).doubles == [0, 0, 0])
        if epsilon == 0 { #expect(dx.allSatisfy { $0 == 0 }) }
        // A gradient that is constant over the plane does not pass at all, as far as its sum is exact.
        if dtype == .float64 { continue }
        #expect(try norm.backward(Tensor(repeating: 0.3, shape: dy.shape, dtype: dtype)).doubles.allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func `a constant plane's data gradient is the derivative`() throws {
    let norm = try InstanceNorm1D(numOfMaps: 1)
    try norm(Tensor([3, 3, 3, 3] as [Float], shape: [1, 1, 4]))
    let dx = try norm.backward(Tensor([1, 0, 0, 0] as [Float], shape: [1, 1, 4])).doubles
    let gain = 1 / 1e-5.squareRoot()
    for (value, expected) in zip(dx, [0.75, -0.25, -0.25, -0.25]) { #expect(abs(value - expected * gain) < 1e-4) }
  }

  @Test(arguments: Layout.allCases) func `a plane of one value is legal`(layout: Layout) throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    norm.bias?.data = try Tensor([1, 2, 3] as [Float])
    let out = try norm(Tensor.randomNormal([2, 3, 1, 1], seed: 1).to(layout))
    #expect(try out.array(of: Float.self) == [1, 2, 3, 1, 2, 3])
    let dx = try norm.backward(Tensor.randomNormal([2, 3, 1, 1], seed: 2))
    #expect(try dx.doubles == [0, 0, 0, 0, 0, 0])
  }

  @Test(arguments: Layout.allCases) func `empty batches and planes give empty results`(layout: Layout) throws {
    for shape in [[0, 3, 4, 4], [2, 3, 0, 4], [2, 3, 4, 0], [0, 3, 0, Int.max]] as [Shape] {
      let norm = try InstanceNorm2D(numOfMaps: 3)
      let out = try norm(Tensor.zeros(shape, layout: layout))
      #expect(out.shape == shape && out.count == 0)
      #expect(try norm.backward(Tensor.zeros(shape)).shape == shape)
      #expect(try #require(norm.scale?.grad).doubles == [0, 0, 0])
      #expect(try #require(norm.saveMean).shape == [shape[0], 3])
    }
  }
}
