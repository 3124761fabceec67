import Calls
import Tensors

package struct ReferenceConvolution {
  private let call: ConvolutionCall
  private let geometry: ConvolutionGeometry
  private let x: Values
  private let w: Values
  private let y: Values
  private let xStrides: Axes
  private let wStrides: Axes
  private let yStrides: Axes

  package init(_ call: ConvolutionCall) {
    self.call = call
    geometry = call.geometry
    x = Values(call.x.address, call.x.dtype)
    w = Values(call.w.address, call.w.dtype)
    y = Values(call.y.address, call.y.dtype)
    xStrides = Axes(call.x.layout.strides(of: geometry.inputShape))
    wStrides = Axes(call.w.layout.strides(of: geometry.weightShape))
    yStrides = Axes(call.y.layout.strides(of: geometry.outputShape))
  }

  package func run() {
    switch call.direction {
    case .forward: forward()
    case .byData: byData()
    case .byWeights: byWeights()
    }
  }

  /// Maps of a group: of x, and of y.
  private var groupInputs: Int { geometry.inputMaps / geometry.groups }
  private var groupOutputs: Int { geometry.outputMaps / geometry.groups }

  private func forward() {
    let g = geometry
    let bias = call.bias.map { Values($0, call.w.dtype) }
    Axes(g.outputShape).forEachPlace { place in
      let (n, o, i, j) = (place[0], place[1], place[2], place[3])
      var sum = bias?[o] ?? 0
      for k in 0..<g.kernelHeight {
        let row = i * g.strideRows - g.top + k * g.dilationRows
        guard (0..<g.inputHeight).contains(row) else { continue }
        for l in 0..<g.kernelWidth {
          let column = j * g.strideColumns - g.left + l * g.dilationColumns
          guard (0..<g.inputWidth).contains(column) else { continue }
          for c in 0..<groupInputs {
            let map = o / groupOutputs * groupInputs + c
            sum += w[wStrides.offset(of: [o, c, k, l])] * x[xStrides.offset(of: [n, map, row, column])]
          }
        }
      }
      y[yStrides.offset(of: place)] = sum
    }
  }

  private func byData() {
    let g = geometry
    Axes(g.inputShape).forEachPlace { place in
      let (n, map, row, column) = (place[0], place[1], place[2], place[3])
      let (group, c) = map.quotientAndRemainder(dividingBy: groupInputs)
      var sum = 0.0
      for k in 0..<g.kernelHeight {
        let (i, rest) = (row + g.top - k * g.dilationRows).quotientAndRemainder(dividingBy: g.strideRows)
        guard rest == 0, (0..<g.outputHeight).contains(i) else { continue }
        for l in 0..<g.kernelWidth {
          let (j, rest) = (column + g.left - l * g.dilationColumns).quotientAndRemainder(dividingBy: g.strideColumns)
          guard rest == 0, (0..<g.outputWidth).contains(j) else { continue }
          for o in group * groupOutputs..<(group + 1) * groupOutputs {
            sum += w[wStrides.offset(of: [o, c, k, l])] * y[yStrides.offset(of: [n, o, i, j])]
          }
        }
      }
      x[xStrides.offset(of: place)] = sum
    }
  }

  private func byWeights() {
    let g = geometry
    Axes(g.weightShape).forEachPlace { place in
      let (o, c, k, l) = (place[0], place[1], place[2], place[3])
      let map = o / groupOutputs * groupInputs + c
      var sum = 0.0
      for n in 0..<g.images {
        for i in 0..<g.outputHeight {
          let row = i * g.strideRows - g.top + k * g.dilationRows
          guard (0..<g.inputHeight).contains(row) else { continue }
          for j in 0..<g.outputWidth {
            let column = j * g.strideColumns - g.left + l * g.dilationColumns
            guard (0..<g.inputWidth).contains(column) else { continue }
            sum += x[xStrides.offset(of: [n, map, row, column])] * y[yStrides.offset(of: [n, o, i, j])]
          }
        }
      }
      w[wStrides.offset(of: place)] = sum
    }
  }
}
