import datetime
import http.server
import io
import threading

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filter_pictures import PHOTOGRAPHS
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from assets.measured.provenance import measure_provenance

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PIXELS = PHOTOGRAPHS["coffee.png"][:64, :64]


def saved(format_: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format=format_, **options)
    return buffer.getvalue()


def png(**texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    return saved("PNG", pnginfo=info)


def jpeg_with_exif(tag: int, value: str) -> bytes:
    exif = Image.Exif()
    exif[tag] = value
    return saved("JPEG", exif=exif)


def xmp(body: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {body}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return saved("JPEG", xmp=packet.encode())


class Signer:
    """Signs content credentials with a certificate of its own, as a camera or a generator does."""

    def __init__(self) -> None:
        authority, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.chain = self._certificate(self.key, authority, "leaf") + self._certificate(
            authority, authority, "ca"
        )

    def _certificate(self, key, authority, name: str) -> str:
        def named(common: str) -> x509.Name:
            names = ((NameOID.ORGANIZATION_NAME, "Test"), (NameOID.COMMON_NAME, common))
            return x509.Name([x509.NameAttribute(oid, text) for oid, text in names])

        now, root = datetime.datetime.now(datetime.UTC), name == "ca"
        usage = x509.KeyUsage(True, False, False, False, False, root, root, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(root, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
            )
        )
        if not root:
            mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(mail, critical=False)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, data: bytes, mime_type: str, source_type: str, remote: str | None = None) -> bytes:
        """The file with a manifest that says how it began; only its address, where `remote` is given."""

        def signature(message: bytes) -> bytes:
            r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        action = {"action": "c2pa.created", "digitalSourceType": IPTC + source_type}
        manifest = {
            "claim_generator_info": [{"name": "a test", "version": "1"}],
            "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
        }
        signed = io.BytesIO()
        with (
            c2pa.Signer.from_callback(signature, c2pa.C2paSigningAlg.ES256, self.chain) as signer,
            c2pa.Builder(manifest) as builder,
        ):
            if remote is not None:
                builder.set_remote_url(remote)
                builder.set_no_embed()
            builder.sign(signer, mime_type, io.BytesIO(data), signed)
        return signed.getvalue()


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("source_type", "generated"),
    [("trainedAlgorithmicMedia", True), ("digitalCapture", False), ("humanEdits", None)],
)
def test_content_credentials_say_how_a_picture_began(signer, format_, source_type, generated):
    measured = measure_provenance(signer.sign(saved(format_), f"image/{format_.lower()}", source_type))
    assert measured["generated"] is generated
    assert (measured["evidence"] is None) == (generated is None)


def test_nobody_is_called_for_credentials_that_lie_elsewhere(signer):
    asked = []

    class Trap(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Trap) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/manifest.c2pa"
        data = signer.sign(saved("JPEG"), "image/jpeg", "trainedAlgorithmicMedia", remote=address)
        assert address.encode() in data
        measured = measure_provenance(data)
        server.shutdown()
    assert measured == {"generated": None, "evidence": None}
    assert asked == []


@pytest.mark.parametrize(
    "body",
    [
        f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia">',
        f"><Iptc4xmpExt:DigitalSourceType>{IPTC}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>",
        '><Iptc4xmpExt:DigitalSourceType rdf:resource="http://cv.iptc.org/newscodes/digitalsourcetype/'
        'compositeWithTrainedAlgorithmicMedia"/>',
    ],
)
def test_the_source_type_of_iptc_is_read_in_every_way_that_xmp_writes_it(body):
    assert measure_provenance(xmp(body))["generated"] is True


def test_a_camera_may_say_that_it_took_the_picture():
    body = f'Iptc4xmpExt:DigitalSourceType="{IPTC}digitalCapture">'
    assert measure_provenance(xmp(body))["generated"] is False


PROMPT = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"


@pytest.mark.parametrize(
    "data",
    [
        png(parameters=PROMPT),
        png(prompt='{"3": {"class_type": "KSampler"}}'),
        png(workflow='{"nodes": []}'),
        png(Software="NovelAI"),
        png(Source="Stable Diffusion XL C1E1DE52"),
        png(Comment='{"steps": 28, "sampler": "k_euler", "prompt": "a cat"}'),
        png(dream='"a cat" -s 50 -W 512'),
        png(Description="a cat --ar 16:9 Job ID: 0a1b2c3d-0000-0000-0000-000000000000"),
        jpeg_with_exif(305, "Adobe Firefly"),
        jpeg_with_exif(270, "a cat --v 6 Job ID: 1 made with Midjourney"),
    ],
)
def test_front_ends_of_generators_give_themselves_away(data):
    assert measure_provenance(data)["generated"] is True


CHINESE = "一个女孩，站在海边，夕阳西下，电影感\nSteps: 20, Sampler: Euler a"


@pytest.mark.parametrize("text", [PROMPT, CHINESE])
@pytest.mark.parametrize(
    ("prefix", "encoding"),
    [
        (b"UNICODE\0", "utf-16-be"),
        (b"UNICODE\0", "utf-16-le"),
        (b"UNICODE\0", "utf-16"),  # with a byte order mark
        (b"UNICODE\0", "utf-8"),
        (b"ASCII\0\0\0", "utf-8"),
        (b"\0" * 8, "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_a_prompt_in_the_comment_of_a_jpeg_is_read(prefix, encoding, text):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = prefix + text.encode(encoding)
    measured = measure_provenance(saved("JPEG", exif=exif))
    assert measured["generated"] is True
    assert "Steps: 20" in measured["evidence"]


def test_a_prompt_in_the_comment_that_windows_shows_is_read():
    exif = Image.Exif()
    exif[0x9C9C] = PROMPT.encode("utf-16-le") + b"\0\0"
    assert measure_provenance(saved("JPEG", exif=exif))["generated"] is True


def test_a_prompt_in_the_comment_of_the_file_is_read():
    assert measure_provenance(saved("JPEG", comment=PROMPT))["generated"] is True


@pytest.mark.parametrize(
    "field", ['xmp:CreatorTool="Adobe Firefly 2.0"', "<photoshop:Credit>Made with Google AI<"]
)
def test_the_tool_that_xmp_names_is_read(field):
    assert measure_provenance(xmp(field))["generated"] is True


TALK = "Screenshot comparing Stable Diffusion and Midjourney at a talk"


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with_exif(270, TALK),
        jpeg_with_exif(305, "Snipping Tool, Stable Diffusion talk"),
        jpeg_with_exif(315, "A critic of Midjourney"),
        png(Description=TALK, Comment=TALK, Title="ComfyUI"),
        png(parameters=TALK, prompt=TALK, workflow="{not json}"),
        png(prompt='{"speaker": "Ada"}', workflow="[1]"),
        png(parameters="Recipe. Steps: 5, then bake"),
        png(dream="I had one of stable diffusion"),
        xmp(f"<dc:description>{TALK}</dc:description>"),
    ],
)
def test_a_mention_is_no_evidence(data):
    assert measure_provenance(data) == {"generated": None, "evidence": None}


@pytest.mark.parametrize(
    "data",
    [
        saved("JPEG"),
        saved("WEBP"),
        png(Description="una vista dalle montagne", Comment="steps to the imagen of a saint"),
        png(parameters="exposure 1/60, ISO 400"),
        jpeg_with_exif(305, "Imagenomic Portraiture 3 for Adobe Photoshop"),
        jpeg_with_exif(271, "Leica"),
        b"",
        b"c2pa",
        b"<html>c2pa</html>",
    ],
)
def test_other_files_say_nothing(data):
    assert measure_provenance(data) == {"generated": None, "evidence": None}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=60))
def test_broken_files_say_something_or_nothing_but_raise_nothing(start, junk):
    whole = png(parameters=PROMPT, prompt="{}")
    broken = whole[:start] + junk + whole[start + len(junk) :]
    assert measure_provenance(broken)["generated"] in (True, None)


@pytest.mark.parametrize(
    "data",
    [
        b"<x:xmpmeta" * 200_000,
        b"<x:xmpmeta" + b"digitalsourcetype" * 60_000 + b"</x:xmpmeta>",
        b"<x:xmpmeta" + b"DigitalSourceType https://" * 40_000 + b"</x:xmpmeta>",
    ],
)
@pytest.mark.timeout(20)
def test_a_hostile_packet_is_read_in_linear_time(data):
    assert measure_provenance(data)["generated"] is None


def test_photographs_of_cameras_say_nothing_of_generators(shared_data):
    for folder in ("exif/cameras", "exif/gps", "exif/odd", "exif/pillow", "photos/kodak", "corrupt/exif"):
        for path in sorted(shared_data(folder).iterdir()):
            assert measure_provenance(path.read_bytes())["generated"] is not True, path


def test_evidence_is_short():
    measured = measure_provenance(png(parameters=PROMPT + "x" * 10_000))
    assert len(measured["evidence"]) == 200
