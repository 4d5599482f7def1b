//! Typed arrays that can be copied as bytes.

use anyhow::{Result, bail};

/// An array of one of the types that kernels of the collection take.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `float`.
    F32(Vec<f32>),
    /// `int`.
    I32(Vec<i32>),
    /// `unsigned int`.
    U32(Vec<u32>),
    /// `unsigned long long`.
    U64(Vec<u64>),
    /// `unsigned char`.
    U8(Vec<u8>),
}

macro_rules! conversions {
    ($($variant:ident $type:ty, $read:ident;)*) => {
        $(
            impl From<Vec<$type>> for Data {
                fn from(values: Vec<$type>) -> Self {
                    Self::$variant(values)
                }
            }
        )*

        impl Data {
            /// Size in bytes.
            pub fn size_bytes(&self) -> usize {
                match self { $(Self::$variant(values) => size_of_val(values.as_slice()),)* }
            }

            /// An array of the same type without elements.
            pub fn empty(&self) -> Self {
                match self { $(Self::$variant(_) => Self::$variant(Vec::new()),)* }
            }

            /// The bytes, in this machine's order.
            pub fn as_bytes(&self) -> &[u8] {
                match self { $(Self::$variant(values) => bytemuck::cast_slice(values),)* }
            }

            /// An array of the same type from bytes in this machine's order.
            ///
            /// # Errors
            /// The number of bytes is not a multiple of the element size.
            pub fn from_bytes(&self, bytes: &[u8]) -> Result<Self> {
                Ok(match self { $(Self::$variant(_) => {
                    if !bytes.len().is_multiple_of(size_of::<$type>()) {
                        bail!("{} bytes are no whole number of elements", bytes.len());
                    }
                    let mut values = vec![<$type>::default(); bytes.len() / size_of::<$type>()];
                    bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
                    Self::$variant(values)
                })* })
            }

            $(
                /// The elements.
                ///
                /// # Panics
                /// The array has another type: a mistake in the workload's description.
                pub fn $read(&self) -> &[$type] {
                    match self {
                        Self::$variant(values) => values,
                        _ => panic!(concat!("not an array of ", stringify!($type))),
                    }
                }
            )*
        }
    };
}

conversions! {
    F32 f32, f32s;
    I32 i32, i32s;
    U32 u32, u32s;
    U64 u64, u64s;
    U8 u8, u8s;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let data = Data::from(vec![1.5f32, -0.0, f32::MAX]);
        assert_eq!(data.size_bytes(), 12);
        assert_eq!(data.empty().from_bytes(data.as_bytes()).expect("whole elements"), data);
        assert!(data.from_bytes(&[0; 5]).is_err());
    }
}
