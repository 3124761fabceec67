import TestSupport
import Testing
import Training

@Suite struct TogetherTests {
  @Test(arguments: [NormalizationChoice.instance, .batch])
  func `several batches come to what each comes to alone`(norm: NormalizationChoice) throws {
    let network = try withInitialValues(seed: 3) { try PatchDiscriminator(width: 4, depth: 2, norm: norm) }
    network.trainMode()
    let batches = try [1, 2].map { try Tensor.randomUniform([2, 3, 16, 16], seed: $0) }
    let (together, alone) = (try network.together(batches), try batches.map { try network($0) })
    for (one, other) in zip(together, alone) {
      #expect(one.shape == other.shape)
      for (value, expected) in try zip(one.doubles, other.doubles) { #expect(abs(value - expected) < 1e-5) }
    }
    // Of other sizes, too.
    let mixed = try network.together([batches[0], Tensor.randomUniform([1, 3, 20, 16], seed: 3)])
    #expect(try bits(mixed[0]) == bits(alone[0]) && mixed[1].shape[0] == 1)
  }
}
