"""Transformers against torchvision's, and their tokens of images of any size."""

import pytest
import torch
from torch.nn.functional import interpolate
from torchvision.models.vision_transformer import VisionTransformer as Theirs

from models.networks import TransformerLayer, VisionTransformer
from models.networks.vision_transformer import patch_size_for


def tiny(**sizes: int) -> VisionTransformer:
    return VisionTransformer(24, [TransformerLayer(1, 48), TransformerLayer(2, 24)], **sizes)


def test_deit_tiny_is_torchvisions_transformer() -> None:
    theirs = Theirs(224, 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768).eval()
    ours = VisionTransformer(192, [TransformerLayer(3, 768)] * 12, 1000, image_size=224).eval()
    assert sum(p.numel() for p in ours.parameters()) == 5_717_416
    given = theirs.state_dict()
    torch.nn.init.normal_(given["heads.head.weight"])  # theirs are 0
    torch.nn.init.normal_(given["encoder.pos_embedding"])
    places = {
        "tokens.class_token": "class_token",
        "tokens.positions": "encoder.pos_embedding",
        "tokens.patches": "conv_proj",
        "norm": "encoder.ln",
        "head": "heads.head",
    }
    for i in range(12):
        layer = f"encoder.layers.encoder_layer_{i}"
        places |= {
            f"blocks.{i}.attention.0": f"{layer}.ln_1",
            f"blocks.{i}.attention.1.queries_keys_values": f"{layer}.self_attention.in_proj",
            f"blocks.{i}.attention.1.output": f"{layer}.self_attention.out_proj",
            f"blocks.{i}.mlp.0": f"{layer}.ln_2",
            f"blocks.{i}.mlp.1": f"{layer}.mlp.0",
            f"blocks.{i}.mlp.3": f"{layer}.mlp.3",
        }
    ours.load_state_dict(
        {
            name + end: given[(other + end).replace("in_proj.", "in_proj_")]
            for name, other in places.items()
            for end in ("", ".weight", ".bias")
            if name + end in ours.state_dict()
        }
    )
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_patches_follow_from_the_image_size() -> None:
    sizes = {8: 1, 28: 3, 32: 4, 64: 8, 100: 12, 128: 16, 224: 16, 4: 1}
    assert {size: patch_size_for(size) for size in sizes} == sizes
    assert tiny().tokens(torch.zeros(1, 3, 32, 32)).shape == (1, 1 + 64, 24)
    assert tiny(patch_size=16).tokens(torch.zeros(1, 3, 32, 32)).shape == (1, 1 + 4, 24)


def test_positions_of_other_images_are_interpolated() -> None:
    network = tiny(image_size=16, patch_size=4)
    x = torch.randn(2, 3, 10, 24)  # 3 × 6 patches, the last rows padded
    padded = torch.cat([x, torch.zeros(2, 3, 2, 24)], dim=2)
    class_position, positions = network.tokens.positions[0, 0], network.tokens.positions[0, 1:]
    square = positions.view(4, 4, 24).permute(2, 0, 1)[None]
    resized = interpolate(square, (3, 6), mode="bicubic")[0]
    tokens = network.tokens(x)
    assert tokens.shape == (2, 19, 24)
    torch.testing.assert_close(tokens[:, 0], (network.tokens.class_token[0] + class_position)
                               .expand(2, -1))  # fmt: skip
    patch = padded[1, :, 4:8, 12:16].flatten()
    layer = network.tokens.patches
    expected = layer.weight.flatten(1) @ patch + layer.bias + resized[:, 1, 3]
    torch.testing.assert_close(tokens[1, 1 + 1 * 6 + 3], expected)


def test_weights_are_drawn_as_deits() -> None:
    network = VisionTransformer(192, [TransformerLayer(3, 768)])
    for name, p in network.named_parameters():
        if any(part in name for part in ("norm", "attention.0", "mlp.0")):
            assert set(p.flatten().tolist()) == {float("weight" in name)}, name
        elif "patches" in name:
            continue  # as torch draws convolutions
        elif p.ndim > 1 and p.numel() > 1000:
            assert float(p.detach().std()) == pytest.approx(0.02, rel=0.05), name
        elif "bias" in name:
            assert not p.any(), name


def test_refuses_no_layers() -> None:
    with pytest.raises(ValueError, match="layers: expected at least one"):
        VisionTransformer(24, [])
