"""Run as a program by `media.py`, in a process of its own: read a picture and write it anew, nothing but its pixels.

`python reencode.py FORMAT < picture > picture`. A picture that wants too much memory, time or pixels ends only this
process. Prints what is wrong to standard error and exits with 1.
"""

import resource
import sys

MOST_MEMORY = 512 * 1024**2
MOST_SECONDS = 10
MOST_PIXELS = 40_000_000
MOST_FRAMES = 300


def main(format: str) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    if sys.platform == "linux":  # elsewhere the limit cannot be set, or is not kept
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(sys.stdin.buffer, formats=[format]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                sys.exit(
                    f"It has {picture.width} x {picture.height} points; at most {MOST_PIXELS // 10**6} million fit."
                )
            frames = getattr(picture, "n_frames", 1)
            if frames > MOST_FRAMES or frames * picture.width * picture.height > 4 * MOST_PIXELS:
                sys.exit(f"It has {frames} frames; that is too much.")
            options = {"icc_profile": picture.info.get("icc_profile")}
            if format == "JPEG":
                options |= {"quality": 95}
            if frames > 1:
                options |= {"save_all": True, "duration": picture.info.get("duration", 100)}
                options |= {"loop": picture.info.get("loop", 0)}
            else:
                ImageOps.exif_transpose(picture, in_place=True)
                picture.info.clear()  # where it was taken, and whatever else was written beside the pixels
            picture.save(sys.stdout.buffer, format=format, **options)
    except MemoryError:
        sys.exit("It needs too much memory.")
    except Image.DecompressionBombError:
        sys.exit(f"It has more than {MOST_PIXELS // 10**6} million points.")
    except Exception as error:
        sys.exit(f"It cannot be read as {format} ({type(error).__name__}).")


if __name__ == "__main__":
    main(sys.argv[1])
