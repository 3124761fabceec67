import Operations
import Tensors

extension Blueprint {
  /// How this library's own classes are built, but for those that are made of modules.
  static var builders: [String: Builder] {
    [
      "InstanceNorm1D": { try InstanceNorm1D($0.options()) },
      "InstanceNorm2D": { try InstanceNorm2D($0.options()) },
      "InstanceNorm3D": { try InstanceNorm3D($0.options()) },
      "BatchNorm2D": {
        var options: NormalizationOptions = try $0.options()
        if $0.scheme["trackRunningStats"] == nil { options.trackRunningStats = true }
        return try BatchNorm2D(options)
      },
      "LayerNorm2D": { try LayerNorm2D($0.options()) },
      "GroupNorm2D": {
        _ = try $0.int("groups")
        return try GroupNorm2D($0.options())
      },
      "ConditionalInstanceNorm2D": {
        _ = try $0.int("numOfStyles")
        return try ConditionalInstanceNorm2D($0.options())
      },
      "AdaptiveInstanceNorm2D": {
        _ = try $0.double("strength")
        return try AdaptiveInstanceNorm2D($0.options())
      },
      "ReLU": { ReLU(name: try $0.string("name")) },
      "LeakyReLU": { try LeakyReLU(slope: $0.double("slope"), name: $0.string("name")) },
      "Tanh": { Tanh(name: try $0.string("name")) },
      "Identity": { Identity(name: try $0.string("name")) },
      "Add": { Add(name: try $0.string("name")) },
      "Concat": { Concat(axis: try $0.int("axis"), name: try $0.string("name")) },
      "Conv2D": {
        try Conv2D(
          inMaps: $0.int("inMaps"), outMaps: $0.int("outMaps"), size: $0.rowsAndColumns("size"),
          stride: $0.rowsAndColumns("stride", or: 1), pad: $0.margins("pad", or: 0),
          dilation: $0.rowsAndColumns("dilation", or: 1), useBias: $0.bool("useBias", or: true),
          groups: $0.int("groups", or: 1), paddingMode: $0.choice("paddingMode", or: .zero),
          wscale: $0.double("wscale", or: 1), initScheme: $0.choice("initScheme", or: .kaiming), name: $0.string("name")
        )
      },
      "Deconv2D": {
        try Deconv2D(
          inMaps: $0.int("inMaps"), outMaps: $0.int("outMaps"), size: $0.rowsAndColumns("size"),
          stride: $0.rowsAndColumns("stride", or: 1), pad: $0.margins("pad", or: 0),
          dilation: $0.rowsAndColumns("dilation", or: 1), postPad: $0.rowsAndColumns("postPad", or: 0),
          useBias: $0.bool("useBias", or: true), groups: $0.int("groups", or: 1), wscale: $0.double("wscale", or: 1),
          initScheme: $0.choice("initScheme", or: .kaiming), name: $0.string("name"))
      },
      "Linear": {
        try Linear(
          inSize: $0.int("inSize"), outSize: $0.int("outSize"), useBias: $0.bool("useBias", or: true),
          wscale: $0.double("wscale", or: 1), initScheme: $0.choice("initScheme", or: .kaiming), name: $0.string("name")
        )
      },
      "MaxPool2D": {
        try MaxPool2D(
          size: $0.rowsAndColumns("size"), stride: $0.rowsAndColumns("stride"), pad: $0.margins("pad", or: 0),
          ceilMode: $0.bool("ceilMode", or: false), name: $0.string("name"))
      },
      "AvgPool2D": {
        try AvgPool2D(
          size: $0.rowsAndColumns("size"), stride: $0.rowsAndColumns("stride"), pad: $0.margins("pad", or: 0),
          ceilMode: $0.bool("ceilMode", or: false), name: $0.string("name"))
      },
      "Upsample2D": {
        try Upsample2D(scale: $0.int("scale"), mode: $0.choice("mode", of: ResizeMode.named), name: $0.string("name"))
      },
      "Pad2D": {
        try Pad2D(pad: $0.margins("pad"), mode: $0.choice("mode", or: .zero), name: $0.string("name"))
      },
      "PixelShuffle": { try PixelShuffle(factor: $0.int("factor"), name: $0.string("name")) },
      "PixelUnshuffle": { try PixelUnshuffle(factor: $0.int("factor"), name: $0.string("name")) },
      "Flatten": { Flatten(name: try $0.string("name")) },
    ]
  }
}
