//! The geometry of a convolution: shapes, checked once, and where everything lies; data that tests can look at.

use super::Variant;
use crate::Error;
use crate::nd;
use crate::simd::conv::Places;

/// The order of an image's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Channel by channel.
    Nchw,
    /// Pixel by pixel.
    Nhwc,
}

/// Extents of images, or of weights: there `images` counts output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape4 {
    /// Images, or output channels of weights.
    pub images: usize,
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
}

impl Shape4 {
    /// All elements.
    pub const fn elements(&self) -> usize {
        self.images * self.channels * self.rows * self.cols
    }

    fn check(&self) -> Result<(), Error> {
        nd::elements(&[self.images, self.channels, self.rows, self.cols]).map(drop)
    }
}

/// A convolution's shapes and steps, known to fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    order: Order,
    input: Shape4,
    weights: Shape4,
    output: Shape4,
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
    groups: usize,
}

impl Geometry {
    /// Steps of 1, no padding, one group.
    ///
    /// # Errors
    /// As [`Geometry::with`].
    pub fn new(order: Order, input: Shape4, weights: Shape4) -> Result<Self, Error> {
        Self::with(order, input, weights, [1, 1], [[0, 0], [0, 0]], [1, 1], 1)
    }

    /// Everything by rows and columns in turn; padding before and after.
    ///
    /// # Errors
    /// [`Error::Shape`] when channels do not fit the groups, a step is 0 or the dilated kernel is larger than the padded
    /// image; [`Error::TooLarge`] for extents that cannot be addressed.
    pub fn with(
        order: Order,
        input: Shape4,
        weights: Shape4,
        stride: [usize; 2],
        padding: [[usize; 2]; 2],
        dilation: [usize; 2],
        groups: usize,
    ) -> Result<Self, Error> {
        input.check()?;
        weights.check()?;
        if groups == 0 || !input.channels.is_multiple_of(groups) || !weights.images.is_multiple_of(groups) {
            let found = format!("{groups} for {} and {} channels", input.channels, weights.images);
            return Err(Error::shape("groups", found, "a divisor of both numbers of channels"));
        }
        if weights.channels != input.channels / groups {
            let expected = format!("{}, the input's {} by {groups} groups", input.channels / groups, input.channels);
            return Err(Error::shape("input channels of the weights", weights.channels, expected));
        }
        let rows = along("rows", input.rows, weights.rows, stride[0], padding[0], dilation[0])?;
        let cols = along("columns", input.cols, weights.cols, stride[1], padding[1], dilation[1])?;
        let output = Shape4 { images: input.images, channels: weights.images, rows, cols };
        output.check()?;
        // The step of a single row or column does not matter; others are smaller than the image.
        let stride = [if rows == 1 { 1 } else { stride[0] }, if cols == 1 { 1 } else { stride[1] }];
        let made = Self { order, input, weights, output, stride, padding, dilation, groups };
        let [rows, cols] = made.padded_extents();
        nd::elements(&[input.images.max(1), input.channels.max(1), rows, cols])?;
        Ok(made)
    }

    /// The order of axes.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// Extents of the input.
    pub const fn input(&self) -> Shape4 {
        self.input
    }

    /// Extents of the weights.
    pub const fn weights(&self) -> Shape4 {
        self.weights
    }

    /// Extents of the output.
    pub const fn output(&self) -> Shape4 {
        self.output
    }

    pub(super) const fn padding(&self) -> [[usize; 2]; 2] {
        self.padding
    }

    pub(super) const fn stride(&self) -> [usize; 2] {
        self.stride
    }

    pub(super) const fn dilation(&self) -> [usize; 2] {
        self.dilation
    }

    pub(super) const fn groups(&self) -> usize {
        self.groups
    }

    /// Rows and columns of a padded image.
    pub(super) const fn padded_extents(&self) -> [usize; 2] {
        let ([top, bottom], [left, right]) = (self.padding[0], self.padding[1]);
        [self.input.rows + top + bottom, self.input.cols + left + right]
    }

    /// The input is a matrix of pixels and channels as it lies.
    pub(super) fn pointwise(&self) -> bool {
        self.weights.rows == 1 && self.weights.cols == 1 && self.stride == [1, 1] && self.padding == [[0; 2]; 2]
    }

    /// What is faster on most machines: without copies the product, else the direct sum.
    pub(super) fn usual(&self) -> Variant {
        if self.pointwise() && self.groups == 1 { Variant::Product } else { Variant::Direct }
    }

    /// Neighbouring output pixels need neighbouring input pixels.
    pub(super) fn pixels_side_by_side(&self) -> bool {
        self.order == Order::Nchw && self.stride[1] == 1
    }

    /// With steps of 1, all output pixels of an image are on one line, on which the padding is passed as if it counted.
    fn one_line(&self) -> bool {
        self.stride == [1, 1]
    }

    /// Elements of a padded image.
    pub(super) fn padded_image(&self) -> Result<usize, Error> {
        let [rows, cols] = self.padded_extents();
        nd::elements(&[self.input.channels, rows, cols])
    }

    /// How far tiles of so many pixels reach over the end of an image.
    pub(super) fn slack(&self, pixels: usize) -> Result<usize, Error> {
        nd::elements(&[pixels, self.pixel_in()])
    }

    fn pixel_in(&self) -> usize {
        match self.order {
            Order::Nchw => self.stride[1],
            Order::Nhwc => self.stride[1] * self.input.channels,
        }
    }

    /// From an output pixel's first input pixel to all of its terms, in the order in which weights are packed.
    pub(super) fn offsets(&self) -> Vec<isize> {
        let [rows, cols] = self.padded_extents();
        let mut offsets = Vec::with_capacity(self.terms());
        self.each_term(|channel, i, j| {
            let pixel = i * self.dilation[0] * cols + j * self.dilation[1];
            offsets.push(match self.order {
                Order::Nchw => channel * rows * cols + pixel,
                Order::Nhwc => pixel * self.input.channels + channel,
            } as isize);
        });
        offsets
    }

    /// Products per output element.
    pub(super) const fn terms(&self) -> usize {
        self.weights.channels * self.weights.rows * self.weights.cols
    }

    /// Channel, row and column of each term, in the order in which the input has them.
    pub(super) fn each_term(&self, mut term: impl FnMut(usize, usize, usize)) {
        let Shape4 { channels, rows, cols, .. } = self.weights;
        let outer = if self.order == Order::Nchw { channels } else { 1 };
        let inner = channels / outer.max(1);
        for first in 0..outer {
            for i in 0..rows {
                for j in 0..cols {
                    (0..inner).for_each(|channel| term(first + channel, i, j));
                }
            }
        }
    }

    /// Elements of weights packed for panels of so many channels.
    pub(super) fn packed_weights(&self, panel: usize) -> Result<usize, Error> {
        let of_group = self.output.channels / self.groups;
        nd::elements(&[self.groups, of_group.div_ceil(panel), panel, self.terms()])
    }

    /// Packs weights into panels, with zeros for channels that are not there.
    pub(super) fn pack<T: Copy + Default>(&self, weights: &[T], to: &mut [T], panel: usize) {
        let (of_group, terms) = (self.output.channels / self.groups, self.terms());
        let Shape4 { rows, cols, .. } = self.weights;
        let panels = of_group.div_ceil(panel);
        for (idx, to) in to.chunks_exact_mut((panel * terms).max(1)).enumerate() {
            let (group, first) = (idx / panels, idx % panels * panel);
            let mut term = 0;
            self.each_term(|channel, i, j| {
                for (lane, to) in to[term * panel..][..panel].iter_mut().enumerate() {
                    let output = group * of_group + first + lane;
                    let at = output * terms + (channel * rows + i) * cols + j;
                    *to = if first + lane < of_group { weights[at] } else { T::default() };
                }
                term += 1;
            });
        }
    }

    /// Where everything lies for so many images.
    pub(super) fn places(&self, images: usize) -> Places {
        let [rows, cols] = self.padded_extents();
        let (input, output) = (self.input, self.output);
        let plane = output.rows * output.cols;
        let of_group = input.channels / self.groups;
        let width = if self.order == Order::Nchw { 1 } else { input.channels };
        let (lines, pixels, row) = if self.one_line() {
            (1, (output.rows - 1) * cols + output.cols, cols)
        } else {
            (output.rows, output.cols, output.cols)
        };
        let (channel_out, pixel_out) = if self.order == Order::Nchw { (plane, 1) } else { (1, output.channels) };
        Places {
            images,
            groups: self.groups,
            lines,
            pixels,
            image_in: input.channels * rows * cols,
            group_in: if self.order == Order::Nchw { of_group * rows * cols } else { of_group },
            line_in: self.stride[0] * cols * width,
            pixel_in: self.pixel_in(),
            row,
            cols: output.cols,
            image_out: output.channels * plane,
            channel_out,
            pixel_out,
            channels: output.channels / self.groups,
        }
    }
}

/// The output's extent along one axis.
pub(super) fn along(
    what: &'static str,
    extent: usize,
    kernel: usize,
    stride: usize,
    padding: [usize; 2],
    dilation: usize,
) -> Result<usize, Error> {
    if kernel == 0 || stride == 0 || dilation == 0 {
        let found = format!("kernel {kernel}, stride {stride}, dilation {dilation}");
        return Err(Error::shape(what, found, "at least 1 each"));
    }
    let too_large = || Error::TooLarge { what: "padded image", count: u128::MAX };
    let padded = padding.iter().try_fold(extent, |sum, more| sum.checked_add(*more)).ok_or_else(too_large)?;
    let reach = (kernel - 1).checked_mul(dilation).ok_or_else(too_large)?;
    match padded.checked_sub(reach).filter(|left| *left > 0) {
        Some(left) => Ok((left - 1) / stride + 1),
        None => {
            let found = format!("a kernel that spans {}", reach.saturating_add(1));
            Err(Error::shape(what, found, format!("at most {padded}, the padded extent")))
        }
    }
}
