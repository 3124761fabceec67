import ArrayFiles
import Foundation
import InstanceNorm
import TestSupport
import Testing

@Suite struct PrintingTests {
  @Test(arguments: 0..<23) func `text is NumPy's`(number: Int) throws {
    let name = String(format: "print_%02d", number)
    let tensor = try NPY.read(from: golden("\(name).npy"))
    let expected = try String(contentsOfFile: golden("\(name).txt"), encoding: .utf8)
    #expect("\(tensor)\n" == expected)
  }

  @Test func `layout does not show`() throws {
    let tensor = try Tensor.randomNormal([2, 3, 2, 2], seed: 1)
    #expect("\(try tensor.to(.nhwc))" == "\(tensor)")
  }

  @Test func `the debug text names shape, dtype, layout and device`() throws {
    let text = String(reflecting: try Tensor.zeros([1, 2, 1], dtype: .bfloat16, layout: .nhwc))
    #expect(text == "Tensor(1, 2, 1) bfloat16 nhwc on cpu\n[[[0.]\n  [0.]]]")
  }
}
